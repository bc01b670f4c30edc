"""`metaqore conflict`: what cannot stand together, who is party to it, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import conflict_pb2 as pb
from metaqore_cli import completion, finding
from metaqore_cli.moments import ago
from metaqore_cli.names import enum_name, enum_names, enum_value
from metaqore_cli.options import At, Changing, Json, Limit, Project, Why, grouped
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.plain import plain
from metaqore_cli.proposals import Bodies, offered
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_cli.sentences import Verb, sentence
from metaqore_cli.shown import answered, asking, say, tell_choices, tell_conflict, tell_conflicts
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

app = typer.Typer(
    help="Conflicts: what cannot stand together, and how to end it.",
    no_args_is_help=True,
    epilog="Examples: metaqore conflict list -p garden   |   metaqore conflict show conflict_1f…",
)

CHOICES: Final = ", ".join(enum_names(pb.Choice.DESCRIPTOR))

ConflictId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The conflict's id, or its beginning.", autocompletion=completion.conflicts),
]


@app.command(
    "list",
    epilog="Examples: metaqore conflict list -p garden   |   metaqore conflict list --severity blocking "
    "--type path_same   |   metaqore conflict list --of src/main.py --ended",
)
def list_(
    project: Project = "",
    severity: Annotated[
        str | None,
        typer.Option(help="blocking or warning.", autocompletion=lambda: enum_names(pb.Severity.DESCRIPTOR)),
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="As path_same or python_versions. May be repeated.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Only those of this artifact.", autocompletion=completion.artifacts)
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Those that are gone, too.")] = False,
    at: At = None,
    limit: Limit = 100,
    json_: Json = False,
) -> None:
    """Conflicts, the longest open first."""
    wanted: Any = enum_value(pb.Severity.DESCRIPTOR, severity)
    with asking(json=json_) as client:
        id_ = finding.project_id(client, project)
        ask = pb.ListConflictsRequest(
            project_id=id_ or "default",
            severity=wanted,
            types=type_ or [],
            artifact_id=finding.artifact(client, id_, of).artifact.id if of else "",
            ended=ended,
            at=finding.point(client, id_, at),
        )
        found = list(paged(client.conflicts.ListConflicts, ask, "conflicts", limit))
    if json_:
        print_json([plain(one) for one in found])
        return
    print_table(
        ("conflict", "severity", "type", "about", "between", "since"),
        (
            (
                clean(one.id),
                enum_name(pb.Severity.DESCRIPTOR, one.severity) + (" (gone)" if one.HasField("end_time") else ""),
                clean(one.type),
                clean(one.key),
                clean(", ".join(f"{party.artifact} v{party.version}" for party in one.clashing)),
                ago(one.open_time),
            )
            for one in found
        ),
    )


@app.command(epilog="Example: metaqore conflict show conflict_1f…")
def show(conflict: ConflictId, project: Project = "", json_: Json = False) -> None:
    """One conflict: who, what, and every command that would end it."""
    with asking(json=json_) as client:
        one = _conflict(client, project, conflict)
    if json_:
        print_json(plain(one))
        return
    tell_conflict(one)
    tell_choices(one)
    if len(one.parties) > len(one.clashing):
        others = (f"{party.artifact} v{party.version} by {party.by}" for party in one.parties)
        say(f"   [dim]all that share it:[/] {clean(', '.join(others))}")


@app.command(
    epilog='Examples: metaqore conflict resolve conflict_1f… keep_existing --why "numpy 2 breaks the model"   |   '
    'metaqore conflict resolve conflict_1f… merge --body merged.py --why "both are needed"'
)
@grouped
def resolve(
    conflict: ConflictId,
    choice: Annotated[str, typer.Argument(help=f"One of {CHOICES}.", autocompletion=completion.choices)],
    why: Why,
    how: Changing,
    project: Project = "",
    for_: Annotated[
        str,
        typer.Option(
            "--for",
            help="The version that the conflict stops, as main.py@2; where it stops more than one.",
            autocompletion=completion.artifacts,
        ),
    ] = "",
    body: Annotated[str, typer.Option(help="For a merge: the merged file. Without it the mesh merges the texts.")] = "",
) -> None:
    """Choose how a conflict ends; what that does and the judgement after it are one step.

    keep_existing rejects what comes in; take_incoming ends what it clashes with; supersede makes what comes in the next
    version of what stands; merge makes a new version of both; manual says that a person will change something. A
    warning is answered for by this; a blocking conflict ends only when it is gone.
    """
    chosen: Any = enum_value(pb.Choice.DESCRIPTOR, choice)
    merged = offered([body], Path(), body) if body else []
    with asking(json=how.json) as client:
        one = _conflict(client, project, conflict)
        incoming = _incoming(one, for_)
        digest = Bodies(client).kept(merged[0]) if merged else ""
        ask = how.ask(
            pb.ResolveConflictRequest,
            id=one.id,
            artifact_id=incoming.artifact_id,
            version=incoming.version,
            choice=chosen,
            content_digest=digest,
            why=why,
        )
        done = client.conflicts.ResolveConflict(ask)
    stands = any(left.id == one.id for left in done.left)
    after: tuple[Verb, str] = ("stands", "until it is gone") if stands else ("is", "gone")
    ends = sentence("the conflict", *after, happened=not how.dry_run)
    if not answered(how, done, choice, "is", f"chosen; {ends}"):
        return
    for step in done.steps:
        parents = f" of {clean(', '.join(step.parents))}" if step.parents else ""
        say(f"   {clean(step.verb)} [bold]{clean(step.artifact)}[/] v{step.version}{parents}")
    if tell_conflicts(done.left, stand=not how.dry_run):
        say("[dim]these stand after it[/]")


def _conflict(client: PsmpClient, project: str, text: str) -> pb.Conflict:
    id_ = finding.conflict_id(client, finding.project_id(client, project), text)
    found: pb.Conflict = client.conflicts.GetConflict(pb.GetConflictRequest(id=id_)).conflict
    return found


def _incoming(conflict: pb.Conflict, wanted: str) -> artifacts.VersionRef:
    """The version that the conflict is to end for: the one that is meant, else the one that it stops."""
    if not wanted:
        return artifacts.VersionRef(artifact_id=conflict.artifact_id, version=conflict.version)
    versioned = finding.versioned_id(wanted)
    if versioned is not None:
        return artifacts.VersionRef(artifact_id=versioned[0], version=versioned[1])
    parties = {(one.artifact_id, one.version): one.artifact for one in conflict.parties if one.artifact_id}
    named = [id_ for id_, name in parties.items() if wanted in {name, f"{name}@{id_[1]}"}]
    if len(named) == 1:
        return artifacts.VersionRef(artifact_id=named[0][0], version=named[0][1])
    known = ", ".join(f"{name}@{version}" for (_, version), name in parties.items())
    raise MetaQoreError(
        "conflict_other", f"{wanted!r} is no party to this conflict. Parties are: {known}.", kind=ErrorKind.INVALID
    )
