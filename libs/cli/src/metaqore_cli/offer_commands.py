"""`metaqore artifact propose|draft|amend|describe`: give the mesh what was made."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli import completion, finding
from metaqore_cli.artifact_shown import told
from metaqore_cli.declarations import Declared, MadeFrom, amended
from metaqore_cli.labels import Label, NoLabels, labels_or_none
from metaqore_cli.options import Changing, Making, Project, Reference, grouped
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.proposals import Bodies, Offered, offered
from metaqore_cli.psmp_client import PsmpClient
from metaqore_cli.sentences import counted
from metaqore_cli.shown import answered, asking, done_dict, note, phase_markup, tell_conflicts, tell_next

app = typer.Typer()

BLOCKED: Final = 4
"""The exit code where something is blocked, or would be."""

SHOWN: Final = 12
"""How many proposals a person sees that nothing blocks."""

_Description = Annotated[str | None, typer.Option("--description", "-d", help="What a person reads about it.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What the artifacts are called, and what is said about them."""

    root: Annotated[
        Path, typer.Option(help="Names are paths relative to this.", exists=True, file_okay=False, show_default="here")
    ] = Path()
    name: Annotated[str, typer.Option(help="The artifact's name, for one file; else its path.")] = ""
    prefix: Annotated[
        str,
        typer.Option(
            envvar="METAQORE_ARTIFACT_PREFIX",
            help="What the names begin with, as ann/. Agents that share a project each have their own: two that write "
            "one path are stopped then, where two versions of one artifact succeed each other.",
        ),
    ] = ""
    path: Annotated[
        list[str] | None,
        typer.Option(help="Where it belongs in the project, for one file; else its path here. May be repeated."),
    ] = None
    media_type: Annotated[str, typer.Option(help="As RFC 6838 has it, for one file; else as its name says.")] = ""
    description: _Description = None
    label: Label = None

    def offered(self, files: list[str]) -> list[Offered]:
        """What these files mean. Raises `typer.BadParameter`."""
        found = offered(files, self.root, self.name, self.media_type, self.prefix)
        if self.path and len(found) > 1:
            raise typer.BadParameter(f"--path is for one file; these are {len(found)}.")
        return found


@app.command(
    epilog="Examples: metaqore artifact propose src/main.py -p garden   |   metaqore artifact propose src docs "
    "--dry-run   |   metaqore artifact propose 'src/**/*.py' --all-or-nothing   |   "
    "pg_dump -s | metaqore artifact propose - --name schema.sql"
)
@grouped
def propose(
    how: Making,
    named: _Named,
    declared: Declared,
    origin: MadeFrom,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, directories or 'globs'; - is standard input.")
    ] = None,
    project: Project = "",
    draft: Annotated[
        list[str] | None,
        typer.Option(
            help="A draft to propose with them, as main.py@2. May be repeated.", autocompletion=completion.artifacts
        ),
    ] = None,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Refuse all of them where one would be blocked.")
    ] = False,
    if_revision: Annotated[
        int | None, typer.Option(help="Only where the one artifact is still at this revision; 0 is none yet.", min=0)
    ] = None,
) -> None:
    """Propose one file or many: each is the next version of the artifact of its name.

    They are judged together, against each other and all that stands. Requirements are read from requirements.txt,
    pyproject.toml, package.json and Cargo.toml. What conflicts is proposed and blocked, with who, what and how to
    resolve; the exit code is 4 then. Somebody else activates what is proposed.
    """
    what = named.offered(files) if files else []
    if not (what or draft):
        raise typer.BadParameter("Give files, or --draft.")
    if if_revision is not None and len(what) + len(draft or []) != 1:
        raise typer.BadParameter("--if-revision is for one artifact.")
    with asking(json=how.json) as client:
        id_ = finding.project_id(client, project)
        found = [finding.artifact(client, id_, reference) for reference in draft or []]
        drafts = [pb.VersionRef(artifact_id=one.artifact.id, version=one.newest) for one in found]
        proposals = [pb.Proposal(created=one) for one in _versions(client, id_, what, named, declared, origin)]
        proposals += [pb.Proposal(draft=one) for one in drafts]
        if if_revision is not None:
            proposals[0].expected_version = if_revision
        ask = how.ask(pb.ProposeArtifactsRequest, project_id=id_, proposals=proposals, refuse_blocked=all_or_nothing)
        done: pb.ProposeArtifactsResponse = client.artifacts.ProposeArtifacts(ask)
    if how.json:
        print_json(done_dict(how, done))
    else:
        _tell_proposed(how, done, project)
    if any(one.latest.phase == pb.PHASE_BLOCKED for one in done.artifacts):
        raise typer.Exit(BLOCKED)


def _tell_proposed(how: Making, done: pb.ProposeArtifactsResponse, project: str) -> None:
    blocked = [one for one in done.artifacts if one.latest.phase == pb.PHASE_BLOCKED]
    free = [one for one in done.artifacts if one.latest.phase != pb.PHASE_BLOCKED]
    shown = [*blocked, *free][: max(SHOWN, len(blocked))]
    print_table(("artifact", "version", "phase", "succeeds", "requires"), map(_row, shown))
    if len(shown) < len(done.artifacts):
        note(f"and {len(done.artifacts) - len(shown)} more that nothing blocks; --json has them all")
    count = tell_conflicts(done.conflicts, stand=not how.dry_run)
    stopped = f", [red]{len(blocked)} blocked[/] by {counted(count, 'conflict')}" if blocked else ""
    answered(how, done, str(len(free)), "", f"proposed{stopped}")
    of = f" --project {shlex.quote(project)}" if project else ""
    if blocked and not how.dry_run:
        tell_next(
            "what is stuck and who can free it", f"metaqore project report{project and ' ' + shlex.quote(project)}"
        )
    elif not how.dry_run:
        first = shlex.quote(f"{free[0].name}@{free[0].latest.number}")
        tell_next("somebody else lets it count", f"metaqore artifact activate {first}{of}")


def _row(one: pb.Artifact) -> tuple[str, ...]:
    newest = one.latest
    succeeds = f"v{one.active_version}" if one.active_version else ""
    requires = str(len(newest.declarations.dependencies) or "")
    return clean(one.name), f"v{newest.number}", phase_markup(newest.phase), succeeds, requires


@app.command(
    epilog="Examples: metaqore artifact draft notes.md -p garden   |   then: "
    "metaqore artifact propose --draft notes.md@1 -p garden"
)
@grouped
def draft(
    files: Annotated[list[str], typer.Argument(help="Files, directories or 'globs'; - is standard input.")],
    how: Changing,
    named: _Named,
    declared: Declared,
    origin: MadeFrom,
    project: Project = "",
) -> None:
    """Keep files as drafts, one after another: nothing is judged yet, and what they declare may still be amended."""
    what = named.offered(files)
    with asking(json=how.json) as client:
        id_ = finding.project_id(client, project)
        for version in _versions(client, id_, what, named, declared, origin):
            ask = how.ask(pb.CreateArtifactRequest, project_id=id_, version=version, draft=True)
            done = client.artifacts.CreateArtifact(ask)
            answered(how, done, *told(done.artifact))


def _versions(
    client: PsmpClient, project: str, what: list[Offered], named: _Named, declared: Declared, origin: MadeFrom
) -> list[pb.NewVersion]:
    def find(reference: str) -> str:
        found = finding.artifact(client, project, reference)
        return f"{found.artifact.id}@{found.counting}"

    bodies, comes_from = Bodies(client), origin.message(find)
    return [
        pb.NewVersion(
            name=one.name,
            declarations=declared.message(named.path or [one.path]),
            provenance=comes_from,
            description=named.description,
            labels=labels_or_none(named.label, none=False),
            **bodies.content(one),
        )
        for one in what
    ]


@app.command(epilog="Example: metaqore artifact amend notes.md@1 -p garden --requires 'python:numpy>=2' --semver 1.1.0")
@grouped
def amend(
    reference: Reference,
    how: Changing,
    declared: Declared,
    project: Project = "",
    path: Annotated[list[str] | None, typer.Option(help="A path of it, in the place of all. May be repeated.")] = None,
) -> None:
    """Change what a draft declares; what is not given stays."""
    with asking(json=how.json) as client:
        found = finding.artifact(client, finding.project_id(client, project), reference)
        look = pb.GetArtifactVersionRequest(artifact_id=found.artifact.id, version=found.newest)
        before = client.artifacts.GetArtifactVersion(look).version.declarations
        ask = how.ask(
            pb.AmendArtifactRequest,
            artifact_id=found.artifact.id,
            version=found.newest,
            declarations=amended(before, declared.message(path or [])),
        )
        done = client.artifacts.AmendArtifact(ask)
    answered(how, done, f"[bold]{clean(found.artifact.name)}[/] v{found.newest}", "declares", "this now")


@app.command(epilog='Example: metaqore artifact describe src/main.py -p garden -d "Where it begins" --label team=green')
@grouped
def describe(
    reference: Reference,
    how: Changing,
    project: Project = "",
    description: _Description = None,
    label: Label = None,
    no_labels: NoLabels = False,
) -> None:
    """Change description and labels; what is not given stays. Given labels replace all that were there."""
    with asking(json=how.json) as client:
        found = finding.artifact(client, finding.project_id(client, project), reference)
        ask = how.ask(
            pb.UpdateArtifactRequest,
            artifact_id=found.artifact.id,
            description=description,
            labels=labels_or_none(label, none=no_labels),
        )
        done = client.artifacts.UpdateArtifact(ask)
    answered(how, done, f"[bold]{clean(found.artifact.name)}[/]", "is", "described anew")
