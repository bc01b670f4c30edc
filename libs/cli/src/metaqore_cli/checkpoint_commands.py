"""`metaqore checkpoint`: name points of a project, and bring it back to one."""

from __future__ import annotations

from typing import Annotated

import typer

from metaqore.psmp.v1 import checkpoint_pb2 as pb
from metaqore.psmp.v1 import history_pb2 as history
from metaqore_cli import completion, finding
from metaqore_cli.moments import ago, local
from metaqore_cli.options import At, Json, Limit, Making, Project, Why, Yes, grouped
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.past_commands import tell_changes
from metaqore_cli.plain import plain
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_cli.sentences import counted
from metaqore_cli.shown import answered, ask_first, asking, note, tell_conflicts, tell_lines

app = typer.Typer(
    help="Checkpoints: named points that a project can be brought back to.",
    no_args_is_help=True,
    epilog="Examples: metaqore checkpoint take release-1 -p garden   |   metaqore checkpoint diff release-1 -p garden",
)

Reference = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="Its name or id.", autocompletion=completion.checkpoints)
]


@app.command(
    epilog="Examples: metaqore checkpoint take release-1 -p garden   |   "
    "metaqore checkpoint take before-numpy-2 --at '2h ago'"
)
@grouped
def take(
    name: Annotated[str, typer.Argument(help="Unique in the project.")],
    how: Making,
    project: Project = "",
    description: Annotated[str, typer.Option("--description", "-d", help="What a person reads about it.")] = "",
    at: At = None,
) -> None:
    """Name the project's version of now, or an earlier one."""
    with asking(json=how.json) as client:
        id_ = finding.project_id(client, project)
        ask = how.ask(
            pb.TakeCheckpointRequest,
            project_id=id_,
            name=name,
            description=description,
            at_version=_version(client, id_, at),
        )
        done = client.checkpoints.TakeCheckpoint(ask)
    answered(how, done, f"the checkpoint [bold]{clean(name)}[/]", "names", f"version {done.checkpoint.version}")


def _version(client: PsmpClient, project: str, at: str | None) -> int | None:
    """The project's version at a point; None for now."""
    point = finding.point(client, project, at)
    if point is None or point.WhichOneof("at") == "version":
        return point and point.version
    found: history.GetStateResponse = client.history.GetState(
        history.GetStateRequest(project_id=project, at=point, page_size=1)
    )
    return found.version


@app.command("list", epilog="Example: metaqore checkpoint list -p garden")
def list_(project: Project = "", limit: Limit = 100, json_: Json = False) -> None:
    """The checkpoints of a project, newest first."""
    with asking(json=json_) as client:
        ask = pb.ListCheckpointsRequest(project_id=finding.project_id(client, project))
        found = list(paged(client.checkpoints.ListCheckpoints, ask, "checkpoints", limit))
    if json_:
        print_json([plain(one) for one in found])
        return
    print_table(
        ("checkpoint", "version", "by", "taken", "description"),
        (
            (clean(one.name), str(one.version), clean(one.by), ago(one.create_time), clean(one.description))
            for one in found
        ),
    )


@app.command(epilog="Example: metaqore checkpoint show release-1 -p garden")
def show(reference: Reference, project: Project = "", json_: Json = False) -> None:
    """One checkpoint. What the project was then: metaqore project state --at CHECKPOINT."""
    with asking(json=json_) as client:
        id_ = finding.checkpoint_id(client, finding.project_id(client, project), reference)
        one: pb.Checkpoint = client.checkpoints.GetCheckpoint(pb.GetCheckpointRequest(id=id_)).checkpoint
    if json_:
        print_json(plain(one))
        return
    tell_lines(
        {
            "checkpoint": f"[bold]{clean(one.name)}[/]",
            "id": clean(one.id),
            "project": clean(one.project_id),
            "description": clean(one.description),
            "version": str(one.version),
            "state digest": clean(one.state_digest),
            "taken by": f"{clean(one.by)}, {local(one.create_time)}",
        }
    )


@app.command(epilog="Example: metaqore checkpoint diff release-1 -p garden")
def diff(reference: Reference, project: Project = "", to: At = None, json_: Json = False) -> None:
    """What has changed since a checkpoint, until now or until another point."""
    with asking(json=json_) as client:
        project_id = finding.project_id(client, project)
        id_ = finding.checkpoint_id(client, project_id, reference)
        ask = pb.DiffCheckpointRequest(id=id_, to=finding.point(client, project_id, to))
        changes = list(paged(client.checkpoints.DiffCheckpoint, ask, "changes"))
    if json_:
        print_json([plain(one) for one in changes])
    else:
        tell_changes(changes)


@app.command(
    epilog='Examples: metaqore checkpoint restore release-1 -p garden --why "numpy 2 broke the model"   |   '
    'metaqore checkpoint restore release-1 --why "…" --dry-run'
)
@grouped
def restore(
    reference: Reference,
    why: Why,
    how: Making,
    project: Project = "",
    yes: Yes = False,
) -> None:
    """Bring a project back: new versions with the bodies of then; what was not there is deprecated.

    It shows the difference first, with the proposals that it would block, and asks. Nothing is removed: the way there
    stays in the history.
    """
    with asking(json=how.json) as client:
        id_ = finding.checkpoint_id(client, finding.project_id(client, project), reference)
        seen = None
        if not (how.dry_run or yes):
            first = client.checkpoints.RestoreCheckpoint(pb.RestoreCheckpointRequest(id=id_, why=why, dry_run=True))
            _tell_restored(first)
            seen = first.committed.project_version
            ask_first(f"Restore {reference}, with {counted(len(first.changes), 'change')}?", json=how.json)
        ask = how.ask(pb.RestoreCheckpointRequest, id=id_, why=why, expected_version=seen)
        done = client.checkpoints.RestoreCheckpoint(ask)
    changes = counted(len(done.changes), "change")
    if answered(how, done, f"[bold]{clean(reference)}[/]", "is", f"restored: {changes}") and seen is None:
        _tell_restored(done)


def _tell_restored(response: pb.RestoreCheckpointResponse) -> None:
    tell_changes(list(response.changes))
    if tell_conflicts(response.conflicts, stand=False):
        note("these proposals are blocked by it")
