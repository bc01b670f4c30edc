"""`metaqore project`: begin, describe, freeze and end projects, and say how strict they are."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import project_pb2 as pb
from metaqore_cli import finding
from metaqore_cli.labels import Label, NoLabels, label_list, labels_or_none, labels_text
from metaqore_cli.moments import ago, local, said
from metaqore_cli.names import enum_name, enum_names, enum_value
from metaqore_cli.options import At, Changing, Json, Limit, Making, ProjectName, Why, Yes, grouped
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.plain import plain
from metaqore_cli.project_policy import Wanted
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_cli.sentences import counted
from metaqore_cli.shown import answered, ask_first, asking, say, tell_lines, tell_next

app = typer.Typer(
    help="Projects: the frame that artifacts and tasks live in.",
    no_args_is_help=True,
    epilog="Examples: metaqore project create garden   |   metaqore project show garden --at '2h ago'",
)

MODES: Final = enum_names(pb.Mode.DESCRIPTOR)
SHOWN: Final = 40
"""How many names a person sees of what ended."""

STATES: Final = enum_names(pb.ProjectState.DESCRIPTOR)

Mode = Annotated[str, typer.Argument(help="strict or flexible.", autocompletion=lambda: MODES)]


@app.command(
    epilog="Examples: metaqore project create garden   |   metaqore project create garden --approvals 2:reviewer "
    "--veto-role security --proposal-ttl 7d   |   metaqore project create sandbox --mode flexible"
)
@grouped
def create(
    name: Annotated[str, typer.Argument(help="Unique in your organization.")],
    how: Making,
    wanted: Wanted,
    description: Annotated[str, typer.Option("--description", "-d", help="What a person reads about it.")] = "",
    label: Label = None,
    mode: Annotated[
        str, typer.Option(help="strict, or flexible (needs psmp:mode).", autocompletion=lambda: MODES)
    ] = "strict",
) -> None:
    """Begin a project."""
    with asking(json=how.json) as client:
        ask = how.ask(
            pb.CreateProjectRequest,
            name=name,
            description=description,
            labels=label_list(label),
            mode=enum_value(pb.Mode.DESCRIPTOR, mode),
            policy=wanted.message(),
        )
        made = client.projects.CreateProject(ask)
    if answered(how, made, f"the project [bold]{clean(name)}[/]", "is", f"open, in mode {mode}") and not how.dry_run:
        tell_next("offer it something", f"metaqore artifact propose FILES --project {shlex.quote(name)}")


@app.command("list", epilog="Examples: metaqore project list   |   metaqore project list --state frozen --json")
def list_(
    state: Annotated[
        str | None, typer.Option(help="Only open, frozen or archived ones.", autocompletion=lambda: STATES)
    ] = None,
    label: Label = None,
    limit: Limit = 100,
    json_: Json = False,
) -> None:
    """The projects of your organization."""
    wanted: Any = enum_value(pb.ProjectState.DESCRIPTOR, state)
    ask = pb.ListProjectsRequest(state=wanted, labels=label_list(label))
    with asking(json=json_) as client:
        found = list(paged(client.projects.ListProjects, ask, "projects", limit))
    if json_:
        print_json([plain(one) for one in found])
        return
    print_table(
        ("project", "state", "mode", "version", "created", "description"),
        (
            (
                clean(one.name),
                state_name(one.state),
                mode_name(one.mode),
                str(one.version),
                ago(one.create_time),
                clean(one.description),
            )
            for one in found
        ),
    )


@app.command(epilog="Examples: metaqore project show garden   |   metaqore project show garden --at '2h ago'")
def show(name: ProjectName, at: At = None, json_: Json = False) -> None:
    """One project: its state, mode and policy, now or then."""
    with asking(json=json_) as client:
        id_ = finding.project_id(client, name)
        ask = pb.GetProjectRequest(id=id_ or "default", at=finding.point(client, id_, at))
        one: pb.Project = client.projects.GetProject(ask).project
    if json_:
        print_json(plain(one))
    else:
        tell_project(one)


def tell_project(one: pb.Project) -> None:
    """Everything about a project, a line each."""
    policy = one.policy
    lines = {
        "project": f"[bold]{clean(one.name)}[/]",
        "id": clean(one.id),
        "description": clean(one.description),
        "labels": clean(labels_text(one.labels)),
        "state": f"{state_name(one.state)} since {local(one.state_time)}",
        "mode": mode_name(one.mode),
        "approvals": clean(", ".join(f"{rule.count} of role {rule.role}" for rule in policy.approvals))
        or "none needed",
        "may veto": clean(", ".join(policy.veto_roles)) or "nobody",
        "who proposed": "may activate" if policy.may_activate_own else "may not activate",
        "a party": "may resolve in its own favour" if policy.may_resolve_own else "may not resolve in its own favour",
        "proposals lapse": f"after {said(policy.proposal_ttl_us / 1e6)}" if policy.HasField("proposal_ttl_us") else "",
        "version": f"{one.version} (revision {one.revision} of the project itself)",
        "created": local(one.create_time),
    }
    tell_lines(lines)


@app.command(epilog='Example: metaqore project describe garden --description "What grows" --label team=green')
@grouped
def describe(
    name: ProjectName,
    how: Changing,
    description: Annotated[str | None, typer.Option("--description", "-d", help="What a person reads.")] = None,
    label: Label = None,
    no_labels: NoLabels = False,
) -> None:
    """Change description and labels; what is not given stays. Given labels replace all that were there."""
    with asking(json=how.json) as client:
        ask = how.ask(
            pb.UpdateProjectRequest,
            id=finding.project_id(client, name),
            description=description,
            labels=labels_or_none(label, none=no_labels),
        )
        done = client.projects.UpdateProject(ask)
    answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "is", "described anew")


@app.command(epilog='Example: metaqore project freeze garden --why "release 2.0 is being cut"')
@grouped
def freeze(name: ProjectName, why: Why, how: Changing) -> None:
    """Let nothing in it change but what time and law demand (needs psmp:mode)."""
    with asking(json=how.json) as client:
        ask = how.ask(pb.FreezeProjectRequest, id=finding.project_id(client, name), why=why)
        done = client.projects.FreezeProject(ask)
    answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "is", "frozen")


@app.command(epilog='Example: metaqore project unfreeze garden --why "2.0 is out"')
@grouped
def unfreeze(name: ProjectName, why: Why, how: Changing) -> None:
    """Let it change again (needs psmp:mode)."""
    with asking(json=how.json) as client:
        ask = how.ask(pb.UnfreezeProjectRequest, id=finding.project_id(client, name), why=why)
        done = client.projects.UnfreezeProject(ask)
    answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "is", "open again")


@app.command(epilog='Example: metaqore project mode garden flexible --why "a prototype for a week"')
@grouped
def mode(name: ProjectName, mode: Mode, why: Why, how: Changing) -> None:
    """Make it strict or flexible (needs psmp:mode).

    Flexible adds: activate over a warning, activate one's own proposal, propose and activate in one. Each needs a
    reason. No mode passes a veto or a blocking conflict.
    """
    with asking(json=how.json) as client:
        ask = how.ask(
            pb.SetProjectModeRequest,
            id=finding.project_id(client, name),
            mode=enum_value(pb.Mode.DESCRIPTOR, mode),
            why=why,
        )
        done = client.projects.SetProjectMode(ask)
    answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "is", mode)


@app.command(
    epilog='Example: metaqore project policy garden --approvals 2:reviewer --approvals 1:security --why "audit"'
)
@grouped
def policy(name: ProjectName, why: Why, how: Changing, wanted: Wanted) -> None:
    """Replace the whole policy: what is not given is as strict as it can be. See it with `project show`."""
    with asking(json=how.json) as client:
        ask = how.ask(pb.SetProjectPolicyRequest, id=finding.project_id(client, name), policy=wanted.message(), why=why)
        done = client.projects.SetProjectPolicy(ask)
    if answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "has", "a new policy"):
        tell_project(done.project)


@app.command(epilog='Example: metaqore project archive garden --cascade --why "grown over"')
@grouped
def archive(
    name: ProjectName,
    why: Why,
    how: Changing,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="First end every artifact and task in it, all or nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """End a project for good; its history stays (needs psmp:mode). With --cascade it shows what that ends, and asks."""
    with asking(json=how.json) as client:
        ask = how.ask(pb.ArchiveProjectRequest, id=finding.project_id(client, name), cascade=cascade, why=why)
        if cascade and not (how.dry_run or yes):
            first = pb.ArchiveProjectRequest()
            first.CopyFrom(ask)
            first.dry_run, first.idempotency_key = True, ""
            ended = list(client.projects.ArchiveProject(first).ended)
            _tell_ended(client, ask.id, ended, "it would end")
            first_ends = f" First this ends {counted(len(ended), 'thing')} in it." if ended else ""
            ask_first(f"Archive the project {name} for good?{first_ends}", json=how.json)
        done = client.projects.ArchiveProject(ask)
        if answered(how, done, f"the project [bold]{clean(done.project.name)}[/]", "is", "archived"):
            _tell_ended(client, ask.id, list(done.ended), "it would end" if how.dry_run else "it ended")


def state_name(state: int) -> str:
    """open, frozen or archived."""
    return enum_name(pb.ProjectState.DESCRIPTOR, state)


def mode_name(mode: int) -> str:
    """Strict or flexible."""
    return enum_name(pb.Mode.DESCRIPTOR, mode)


def _tell_ended(client: PsmpClient, project: str, ended: list[str], what: str) -> None:
    """What a cascade ends, artifacts by their names."""
    if not ended:
        return
    ask = artifacts.ListArtifactsRequest(project_id=project)
    names = {f"artifact {one.id}": one.name for one in paged(client.artifacts.ListArtifacts, ask, "artifacts")}
    shown = ", ".join(names.get(one, one) for one in ended[:SHOWN])
    say(f"{what} {len(ended)}: [dim]{clean(shown)}{', …' if len(ended) > SHOWN else ''}[/]")
