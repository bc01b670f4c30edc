"""`metaqore project history|state|diff|watch|report`: a project's past, what happens in it, and what is stuck."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import history_pb2 as pb
from metaqore.psmp.v1 import watch_pb2 as watch_pb
from metaqore_cli import completion, finding
from metaqore_cli.artifact_shown import artifact_rows
from metaqore_cli.moments import ago, local
from metaqore_cli.names import enum_name, enum_names, enum_value
from metaqore_cli.options import At, Json, Limit
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.plain import plain
from metaqore_cli.project_commands import mode_name, state_name
from metaqore_cli.psmp_client import MAX_PAGE, PsmpClient, paged
from metaqore_cli.psmp_tasks import task_rows
from metaqore_cli.shown import asking, say, tell_ways_out
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

app = typer.Typer()

Name = Annotated[
    str,
    typer.Argument(
        metavar="[PROJECT]",
        help="Its name or id; your organization's default where none is given.",
        envvar="METAQORE_PROJECT",
        autocompletion=completion.projects,
    ),
]
Names = Annotated[
    list[str] | None, typer.Option("--name", help="Only events of this name, as artifact.Activated. May be repeated.")
]

_CHANGE_SIGNS = {pb.CHANGE_KIND_ADDED: "[green]+[/]", pb.CHANGE_KIND_REMOVED: "[red]-[/]"}
_CAUSE_COLOURS = {"conflict": "red", "veto": "red", "warning": "yellow", "frozen": "blue"}


@app.command(
    epilog="Examples: metaqore project history garden   |   metaqore project history garden --after 40 "
    "--name artifact.Activated"
)
def history(
    name: Name = "",
    after: Annotated[int, typer.Option(help="Only what came behind this version.", min=0)] = 0,
    only: Names = None,
    limit: Limit = 1000,
    json_: Json = False,
) -> None:
    """What happened in it, oldest first: who did what to which version, under which receipt."""
    with asking(json=json_) as client:
        id_ = finding.project_id(client, name)
        ask = pb.ListEventsRequest(project_id=id_, after_version=after, names=only or [])
        called = _Called(client)
        for event in paged(client.history.ListEvents, ask, "events", limit):
            _tell_event(event, called, json_=json_)


@app.command(
    epilog="Examples: metaqore project watch garden   |   metaqore project watch garden --name artifact.Blocked --json"
    "   |   metaqore project watch garden --after 019a…@41"
)
def watch(
    name: Name = "",
    after: Annotated[
        list[str] | None, typer.Option(help="Go on behind this event's id; without it, from now on.")
    ] = None,
    only: Names = None,
    all_: Annotated[bool, typer.Option("--all", help="Every project that you may see.")] = False,
    json_: Json = False,
) -> None:
    """Follow what happens, live, until Ctrl-C."""
    with asking(json=json_) as client:
        ids = [] if all_ else [finding.project_id(client, name) or "default"]
        ask = watch_pb.WatchRequest(project_ids=ids, names=only or [], after_event_ids=after or [])
        called = _Called(client)
        for response in client.watching.Watch(ask):
            if response.HasField("event"):
                _tell_event(response.event, called, json_=json_)


@app.command(
    epilog="Examples: metaqore project state garden   |   metaqore project state garden --at 41   |   "
    "metaqore project state garden --at '2h ago'   |   metaqore project state garden --at release-1"
)
def state(name: Name = "", at: At = None, json_: Json = False) -> None:
    """The whole project as it is, or as it was at a version, a time or a checkpoint."""
    with asking(json=json_) as client:
        id_ = finding.project_id(client, name)
        ask = pb.GetStateRequest(project_id=id_, at=finding.point(client, id_, at), page_size=MAX_PAGE)
        whole: pb.GetStateResponse = client.history.GetState(ask)
        page = whole
        while page.next_page_token:
            ask.page_token = page.next_page_token
            page = client.history.GetState(ask)
            whole.artifacts.extend(page.artifacts)
            whole.tasks.extend(page.tasks)
    if json_:
        print_json({name: value for name, value in plain(whole).items() if name != "next_page_token"})
        return
    project = whole.project
    say(
        f"[bold]{clean(project.name)}[/] at version {whole.version}, {local(whole.commit_time)}: "
        f"{state_name(project.state)}, {mode_name(project.mode)}"
    )
    if whole.artifacts:
        print_table(("artifact", "counts", "newest", "phase", "since", "by"), artifact_rows(whole.artifacts))
    if whole.tasks:
        print_table(("task", "state", "holder", "since", "title"), task_rows(whole.tasks))
    if not (whole.artifacts or whole.tasks):
        say("[dim]it holds nothing[/]")


@app.command(
    epilog="Examples: metaqore project diff garden --from release-1   |   metaqore project diff garden --from 41 "
    "--to 57   |   metaqore project diff garden --from yesterday"
)
def diff(
    from_: Annotated[
        str, typer.Option("--from", help="A version, a time or a checkpoint.", autocompletion=completion.checkpoints)
    ],
    name: Name = "",
    to: Annotated[
        str | None, typer.Option(help="The same; now where it is not given.", autocompletion=completion.checkpoints)
    ] = None,
    json_: Json = False,
) -> None:
    """What changed between two points."""
    with asking(json=json_) as client:
        id_ = finding.project_id(client, name)
        ask = pb.DiffRequest(project_id=id_, to=finding.point(client, id_, to))
        getattr(ask, "from").CopyFrom(finding.point(client, id_, from_))
        changes = list(paged(client.history.Diff, ask, "changes"))
    if json_:
        print_json([plain(one) for one in changes])
    else:
        tell_changes(changes)


def tell_changes(changes: list[pb.Change]) -> None:
    """A line for each thing that differs."""
    for one in changes:
        kind = enum_name(pb.Aggregate.DESCRIPTOR, one.aggregate)
        versions = ""
        if one.version_before or one.version_after:
            before, after = (
                f"v{number}" if number else "nothing" for number in (one.version_before, one.version_after)
            )
            versions = f"  {before} -> {after}" if before != after else f"  {after}"
        fields = f"  [dim]{clean(', '.join(one.fields))}[/]" if one.kind == pb.CHANGE_KIND_CHANGED else ""
        say(
            f" {_CHANGE_SIGNS.get(one.kind, '[yellow]~[/]')} {kind} "
            f"[bold]{clean(one.name or one.id)}[/]{versions}{fields}"
        )
    if not changes:
        say("[dim]nothing differs[/]")


@app.command(epilog="Examples: metaqore project report garden   |   metaqore project report garden --cause conflict")
def report(
    name: Name = "",
    cause: Annotated[
        str | None,
        typer.Option(help="Only this cause.", autocompletion=lambda: enum_names(conflicts.Cause.DESCRIPTOR)),
    ] = None,
    at: At = None,
    limit: Limit = 100,
    json_: Json = False,
) -> None:
    """The blocking report: what is stuck, why, since when, and who can free it with which command."""
    wanted: Any = enum_value(conflicts.Cause.DESCRIPTOR, cause)
    with asking(json=json_) as client:
        id_ = finding.project_id(client, name)
        ask = conflicts.GetBlockingReportRequest(project_id=id_, cause=wanted, at=finding.point(client, id_, at))
        items = list(paged(client.conflicts.GetBlockingReport, ask, "items", limit))
    if json_:
        print_json([plain(one) for one in items])
        return
    for one in items:
        why = enum_name(conflicts.Cause.DESCRIPTOR, one.cause)
        say(f"[{_CAUSE_COLOURS.get(why, 'cyan')}]{why}[/] [bold]{clean(one.item)}[/] [dim]since {ago(one.since)}[/]")
        say(f"   {clean(one.why)}")
        tell_ways_out(one.ways_out)
    by_cause = Counter(enum_name(conflicts.Cause.DESCRIPTOR, one.cause) for one in items)
    counted = ", ".join(f"{count} {each}" for each, count in by_cause.most_common())
    say(f"[bold]{len(items)} stuck[/]: {counted}" if items else "[green]nothing is stuck[/]")


class _Called:
    """The names of artifacts by their ids, each looked up once."""

    def __init__(self, client: PsmpClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}

    def __call__(self, event: pb.Event) -> str:
        """What the event is about, by its name where it has one."""
        kind = enum_name(pb.Aggregate.DESCRIPTOR, event.aggregate)
        if event.aggregate != pb.AGGREGATE_ARTIFACT:
            return f"{kind} {event.aggregate_id}"
        if event.aggregate_id not in self._names:
            self._names[event.aggregate_id] = self._look(event.aggregate_id)
        number = event.data.fields["version"].number_value if "version" in event.data.fields else 0
        return self._names[event.aggregate_id] + (f" v{int(number)}" if number else "")

    def _look(self, id_: str) -> str:
        try:
            answer = self._client.artifacts.GetArtifact(artifacts.GetArtifactRequest(artifact_id=id_))
        except MetaQoreError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            return id_
        return str(answer.artifact.name)


def _tell_event(event: pb.Event, called: _Called, *, json_: bool) -> None:
    if json_:
        print(json.dumps(plain(event), ensure_ascii=False), flush=True)
        return
    fields = event.data.fields
    why = fields["why"].string_value if "why" in fields else ""
    if "conflict" in fields:
        why = fields["conflict"].struct_value.fields["explanation"].string_value or why
    said = f"\n        [dim]{clean(why)}[/]" if why else ""
    say(
        f"[dim]{event.project_version:>6}  {local(event.time)}[/]  {clean(event.by)}  [bold]{clean(event.name)}[/]  "
        f"{clean(called(event))}{said}"
    )
