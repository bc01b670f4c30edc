import pytest

from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import checkpoint_pb2 as k
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as c
from metaqore.psmp.v1 import history_pb2 as h
from metaqore.psmp.v1 import project_pb2 as p
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import MAX_NAME
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.points import AtTime, AtVersion, Checkpoint
from metaqore_ai_gateway.service.psmp.reading_ports import (
    Change,
    ChangeKind,
    Direction,
    Edge,
    FoundConflict,
    Origin,
    PastEvent,
    Provenances,
    Slice,
    Wanted,
)
from metaqore_governance_core.psmp.artifact_state import OpenConflict, Phase
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem, WayOut
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.project import ProjectFrozen, ProjectState
from metaqore_governance_core.psmp.work import Started, WorkState
from metaqore_mesh.errors import error_of_call

TAKEN = Checkpoint("checkpoint_x", "before", 5, "ann", 1_000_000)


def asked_of(door, name):
    """What a reading was asked, without the caller."""
    return [(arguments[1:], options) for called, arguments, options in door.readings.calls if called == name]


def past(version, event=None, of=None, id_="p1"):
    event = event or ProjectFrozen("ann", 1_000_000 + version, "because")
    happened = Happened(version, of or Ref(Kind.PROJECT, "p1"), version, event)
    return PastEvent(f"p1@{version}", "acme", "p1", happened, id_, f"receipt-{version}", 2_000_000 + version)


@pytest.mark.parametrize(
    ("point", "at"),
    [
        pytest.param(None, None, id="now"),
        pytest.param(common.Point(version=0), AtVersion(0), id="a version"),
        pytest.param(common.Point(time={"seconds": 3, "nanos": 1999}), AtTime(3_000_001), id="a time"),
        pytest.param(common.Point(time={"seconds": -3}), AtTime(0), id="before all"),
        pytest.param(common.Point(checkpoint_id="checkpoint_x"), AtVersion(5), id="a checkpoint"),
    ],
)
async def test_a_project_is_read_at_a_point(door, made, point, at):
    door.readings.methods = {"project": made.project(), "checkpoint": ("p1", TAKEN)}
    found = await door.call("ProjectService.GetProject", p.GetProjectRequest(id="p1", at=point))
    assert (found.project.name, found.project.revision, found.project.state) == ("garden", 2, p.PROJECT_STATE_OPEN)
    assert asked_of(door, "project") == [(("p1", at), {})]


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ProjectService.GetProject", p.GetProjectRequest(id="p1")),
        ("ArtifactService.GetArtifact", a.GetArtifactRequest(artifact_id="x")),
        ("ArtifactService.GetArtifactVersion", a.GetArtifactVersionRequest(artifact_id="x")),
        ("WorkService.GetTask", w.GetTaskRequest(id="x")),
        ("WorkService.ListTasks", w.ListTasksRequest(project_id="p1")),
        ("ArtifactService.ListArtifacts", a.ListArtifactsRequest()),
        ("ConflictService.ListConflicts", c.ListConflictsRequest(project_id="p1")),
        ("ConflictService.GetBlockingReport", c.GetBlockingReportRequest(project_id="p1")),
        ("HistoryService.GetState", h.GetStateRequest(project_id="p1")),
        ("HistoryService.GetStateForm", h.GetStateFormRequest(project_id="p1")),
    ],
)
async def test_a_checkpoint_of_another_project_is_no_point_of_this_one(door, made, method, request_):
    request_.at.checkpoint_id = "checkpoint_x"
    door.readings.methods = {
        "project": made.project(), "artifact": made.artifact(), "task": made.task(), "checkpoint": ("p2", TAKEN),
    }  # fmt: skip
    assert error_of_call(await door.refused(method, request_)).code == "checkpoint_not_found"


async def test_lists_pass_on_their_filters_and_tokens(door, made):
    labels = [common.Label(name="b", value="2"), common.Label(name="a", value="1")]
    door.readings.methods = {
        "projects": Slice((made.project(),), "more"),
        "artifacts": Slice((made.artifact(),), "more"),
        "tasks": Slice((made.task(),), "more"),
    }
    page = {"page_size": 2, "page_token": "from"}
    found = await door.call(
        "ProjectService.ListProjects", p.ListProjectsRequest(state=p.PROJECT_STATE_FROZEN, labels=labels, **page)
    )
    assert ([one.id for one in found.projects], found.next_page_token) == (["p1"], "more")
    pairs = (("a", "1"), ("b", "2"))
    assert asked_of(door, "projects") == [((Wanted("from", 2),), {"state": ProjectState.FROZEN, "labels": pairs})]
    await door.call(
        "ArtifactService.ListArtifacts",
        a.ListArtifactsRequest(project_id="p1", phase=a.PHASE_BLOCKED, labels=labels, name_prefix="src/"),
    )
    options = {"at": None, "phase": Phase.BLOCKED, "labels": pairs, "prefix": "src/"}
    assert asked_of(door, "artifacts") == [(("p1", Wanted()), options)]
    await door.call("WorkService.ListTasks", w.ListTasksRequest(state=w.TASK_STATE_OPEN, labels=labels, **page))
    options = {"at": None, "state": WorkState.OPEN, "labels": pairs}
    assert asked_of(door, "tasks") == [(("", Wanted("from", 2)), options)]


async def test_version_0_is_the_one_that_counts(door, made):
    known = made.artifact("a.py", made.version(1, Phase.DEPRECATED), made.version(2, Phase.ACTIVE), made.version(3))
    door.readings.methods = {"artifact": known}

    async def number(wanted):
        request = a.GetArtifactVersionRequest(artifact_id=known.id, version=wanted)
        return (await door.call("ArtifactService.GetArtifactVersion", request)).version.number

    assert [await number(wanted) for wanted in (0, 1, 3)] == [2, 1, 3]
    missing = a.GetArtifactVersionRequest(artifact_id="x", version=4)
    ended = await door.refused("ArtifactService.GetArtifactVersion", missing)
    assert error_of_call(ended).code == "version_not_found"
    door.readings.methods = {"artifact": made.artifact()}
    ended = await door.refused("ArtifactService.GetArtifactVersion", a.GetArtifactVersionRequest(artifact_id="x"))
    assert error_of_call(ended).code == "version_not_found"


async def test_versions_come_in_pages_newest_first(door, made):
    versions = [made.version(number, Phase.REJECTED if number % 2 else Phase.ARCHIVED) for number in range(1, 8)]
    door.readings.methods = {"artifact": made.artifact("a.py", *versions)}

    async def pages(**rest):
        token, found = "", []
        while True:
            request = a.ListArtifactVersionsRequest(artifact_id="x", page_size=2, page_token=token, **rest)
            page = await door.call("ArtifactService.ListArtifactVersions", request)
            found.append([one.number for one in page.versions])
            token = page.next_page_token
            if not token:
                return found

    assert await pages() == [[7, 6], [5, 4], [3, 2], [1]]
    assert await pages(phase=a.PHASE_ARCHIVED) == [[6, 4], [2]]
    for token in ("?", "x" * 40):
        request = a.ListArtifactVersionsRequest(artifact_id="x", page_token=token)
        ended = await door.refused("ArtifactService.ListArtifactVersions", request)
        assert error_of_call(ended).code == "invalid_page_token"


def opened(choice=None):
    sides = (Party("a.py", 1, "ann", "x"), Party("task t1", 1, "bob", "y"))
    one = make_conflict(
        ConflictType.TASK_OWNERSHIP, Severity.WARNING, "k", parties=sides, clashing=sides, suggestion=Choice.MANUAL,
        explanation="why",
    )  # fmt: skip
    return OpenConflict(one, 1_000_000, choice)


async def test_conflicts_are_found_with_whose_they_are(door):
    found = FoundConflict(opened(Choice.MANUAL), "p1", "a.py", "artifact_x", 3, 2_000_000)
    door.readings.methods = {"conflicts": Slice((found,), "more"), "conflict": found}
    request = c.ListConflictsRequest(
        severity=c.SEVERITY_WARNING, types=["task_ownership"], artifact_id="artifact_x", ended=True
    )
    page = await door.call("ConflictService.ListConflicts", request)
    (shown,) = page.conflicts
    assert (shown.artifact_id, shown.version, shown.project_id, shown.chosen) == ("artifact_x", 3, "p1", 4)
    assert (shown.open_time.ToMicroseconds(), shown.end_time.ToMicroseconds()) == (1_000_000, 2_000_000)
    assert [bool(party.artifact_id) for party in shown.parties] == [True, False]
    options = {
        "severity": Severity.WARNING, "types": ("task_ownership",), "artifact": "artifact_x", "ended": True,
        "at": None,
    }  # fmt: skip
    assert asked_of(door, "conflicts") == [((None, Wanted()), options)]
    assert (await door.call("ConflictService.GetConflict", c.GetConflictRequest(id="x"))).conflict == shown


async def test_the_blocking_report_counts_all(door):
    item = StuckItem("task t1", Cause.LEASE, "why", 3_000_000, (WayOut("task claim", "any agent"),))
    door.readings.methods = {"report": (Slice((item,), ""), 12)}
    found = await door.call("ConflictService.GetBlockingReport", c.GetBlockingReportRequest(cause=c.CAUSE_LEASE))
    assert (found.total, found.items[0].cause, found.items[0].ways_out[0].command) == (12, c.CAUSE_LEASE, "task claim")
    assert asked_of(door, "report") == [(("", Wanted()), {"cause": Cause.LEASE, "at": None})]


async def test_checkpoints_are_listed_and_compared(door):
    change = Change(Kind.ARTIFACT, "artifact_x", "a.py", ChangeKind.CHANGED, 1, 2, ("active_version",))
    door.readings.methods = {
        "checkpoints": Slice((TAKEN,), "more"), "checkpoint": ("p1", TAKEN), "diff": Slice((change,)),
    }  # fmt: skip
    page = await door.call("CheckpointService.ListCheckpoints", k.ListCheckpointsRequest())
    assert [(one.id, one.project_id) for one in page.checkpoints] == [("checkpoint_x", "default")]
    one = await door.call("CheckpointService.GetCheckpoint", k.GetCheckpointRequest(id="checkpoint_x"))
    assert (one.checkpoint.project_id, one.checkpoint.version) == ("p1", 5)
    found = await door.call(
        "CheckpointService.DiffCheckpoint", k.DiffCheckpointRequest(id="checkpoint_x", to=common.Point(version=9))
    )
    assert [(one.kind, one.version_before, one.version_after) for one in found.changes] == [(3, 1, 2)]
    await door.call("HistoryService.Diff", h.DiffRequest(**{"from": common.Point(version=1)}))
    assert asked_of(door, "diff") == [
        (("p1", AtVersion(5), AtVersion(9), Wanted()), {}),
        (("", AtVersion(1), None, Wanted()), {}),
    ]


async def test_provenance_is_a_graph(door, made):
    known = made.artifact("a.py", made.version(1, Phase.ACTIVE))
    origin = Origin(known, known.artifact.versions[0], 1)
    edges = (Edge("x@2", f"{known.id}@1", "parent"), Edge("x@2", "y@3", "input"))
    door.readings.methods = {"artifact": known, "provenance": Provenances((origin,), edges, ("y@3",), cut=True)}
    request = a.GetProvenanceRequest(artifact_id=known.id, direction=a.PROVENANCE_DIRECTION_DERIVED)
    found = await door.call("ArtifactService.GetProvenance", request)
    assert [(node.version.artifact_id, node.name, node.depth) for node in found.nodes] == [(known.id, "a.py", 1)]
    assert [(edge.derived.version, edge.source.version, edge.parent) for edge in found.edges] == [
        (2, 1, True),
        (2, 3, False),
    ]
    assert (list(found.unknown), found.cut) == (["y@3"], True)
    assert asked_of(door, "provenance") == [((known.id, 1, Direction.DERIVED, 1), {})]


async def test_events_are_read_from_behind_a_version(door):
    events = [past(number) for number in range(1, 8)]

    async def after(caller, project, version, size):
        assert (caller.organization, project) == ("acme", "p1")
        return tuple(events[version : version + size])

    door.readings.methods = {"events": after}
    token, found = "", []
    while True:
        request = h.ListEventsRequest(project_id="p1", after_version=1, page_size=3, page_token=token)
        page = await door.call("HistoryService.ListEvents", request)
        found += page.events
        token = page.next_page_token
        if not token:
            break
    assert [one.project_version for one in found] == [2, 3, 4, 5, 6, 7]
    first = found[0]
    assert (first.id, first.name, first.by) == ("p1@2", "project.ProjectFrozen", "ann")
    assert (first.receipt_id, first.schema) == ("receipt-2", 1)
    assert dict(first.data)["why"] == "because"
    assert (first.aggregate, first.aggregate_id, first.time.ToMicroseconds()) == (1, "p1", 2_000_002)


async def test_events_are_filtered_over_pages(door):
    work = Ref(Kind.TASK, "t1")
    events = [
        past(number, Started("bob", number), work, "t1") if number % 100 == 0 else past(number)
        for number in range(1, 1001)
    ]

    async def after(_caller, _project, version, size):
        return tuple(events[version : version + size])

    door.readings.methods = {"events": after}

    async def all_of(**rest):
        token, found = "", []
        while True:
            request = h.ListEventsRequest(page_size=2, page_token=token, **rest)
            page = await door.call("HistoryService.ListEvents", request)
            assert len(page.events) <= 2
            found += [one.project_version for one in page.events]
            token = page.next_page_token
            if not token:
                return found

    hundreds = list(range(100, 1001, 100))
    assert await all_of(aggregate=h.AGGREGATE_TASK) == hundreds
    assert await all_of(aggregate_id="t1") == hundreds
    assert await all_of(names=["task.Started"], after_version=500) == hundreds[5:]
    assert await all_of(names=["task.Ended"]) == []


async def test_a_name_that_no_event_has_is_refused(door):
    """It would pass for nothing that happened."""

    async def refused(name):
        asked = h.ListEventsRequest(project_id="p1", names=[name])
        error = error_of_call(await door.refused("HistoryService.ListEvents", asked))
        assert (error.code, error.reasons) == ("event_name_unknown", (name,))
        return error.message

    assert "Did you mean task.Ended?" in await refused("task.ended")
    assert "Did you mean artifact.Activated?" in await refused("activated")
    assert "Did you mean" not in await refused("x")  # nothing is near it


async def test_the_token_of_another_list_is_refused(door, made):
    async def events(_caller, _project, version, size):
        return tuple(map(past, range(version + 1, version + 1 + size)))

    versions = [made.version(number, Phase.REJECTED) for number in range(1, 4)]
    page = Slice((made.artifact(),), "more")
    door.readings.methods = {
        "events": events, "artifact": made.artifact("a.py", *versions), "project": made.project(),
        "artifacts": page,
    }  # fmt: skip
    lists = {
        "HistoryService.ListEvents": (h.ListEventsRequest, {"project_id": "p1"}, {"project_id": "p2"}),
        "HistoryService.GetState": (h.GetStateRequest, {"project_id": "p1"}, {"project_id": "p2"}),
        "ArtifactService.ListArtifactVersions": (
            a.ListArtifactVersionsRequest, {"artifact_id": "x"}, {"artifact_id": "y"},
        ),
    }  # fmt: skip
    for method, (request, mine, others) in lists.items():
        token = (await door.call(method, request(page_size=1, **mine))).next_page_token
        assert token
        for other, (asked, whose, _) in lists.items():
            fields = others if other == method else whose
            ended = await door.refused(other, asked(page_token=token, **fields))
            assert error_of_call(ended).code == "invalid_page_token"


async def test_a_page_may_begin_behind_the_longest_name(door, made):
    behind = Question("artifacts", ()).token(7, "\U0001d51e" * MAX_NAME)
    page = Slice((made.artifact(),), behind)
    door.readings.methods = {"project": made.project(), "artifacts": page, "events": (past(7),)}
    listed = await door.call("ArtifactService.ListArtifacts", a.ListArtifactsRequest(page_size=1))
    state = await door.call("HistoryService.GetState", h.GetStateRequest(page_size=1))
    door.readings.calls.clear()
    await door.call("ArtifactService.ListArtifacts", a.ListArtifactsRequest(page_token=listed.next_page_token))
    await door.call("HistoryService.GetState", h.GetStateRequest(page_token=state.next_page_token))
    assert [arguments[1].token for arguments, _ in asked_of(door, "artifacts")] == [behind, behind]


async def test_the_state_comes_in_pages_of_one_version(door, made):
    names = [f"a{number}" for number in range(5)]

    async def artifacts(_caller, project, wanted, *, at):
        assert (project, at) == ("p1", AtVersion(7))
        begin = int(wanted.token or 0)
        found = tuple(made.artifact(name) for name in names[begin : begin + wanted.size])
        return Slice(found, str(begin + wanted.size) if begin + wanted.size < len(names) else "")

    async def tasks(_caller, _project, wanted, *, at):
        assert at == AtVersion(7)
        begin = int(wanted.token or 0)
        return Slice(
            (made.task(),) * min(wanted.size, 3 - begin), str(begin + wanted.size) if begin + wanted.size < 3 else ""
        )

    door.readings.methods = {
        "project": made.project(),
        "artifacts": artifacts,
        "tasks": tasks,
        "events": (past(7),),
    }
    for size in (1, 2, 3, 5, 8, 50):
        token, seen = "", []
        while True:
            request = h.GetStateRequest(project_id="p1", page_size=size, page_token=token)
            page = await door.call("HistoryService.GetState", request)
            assert (page.version, page.project.id, page.commit_time.ToMicroseconds()) == (7, "p1", 2_000_007)
            assert len(page.artifacts) + len(page.tasks) <= size
            seen += [one.name for one in page.artifacts] + [one.id for one in page.tasks]
            token = page.next_page_token
            if not token:
                break
        assert seen == [*names, "t1", "t1", "t1"], size
    points = [arguments[1] for arguments, _ in asked_of(door, "project")]
    assert points.count(None) == 6
    assert set(points) == {None, AtVersion(7)}


async def test_the_whole_state_comes_as_bytes(door):
    form = b"{}" * (1 << 20)
    door.readings.methods = {"state_form": (7, form)}
    parts = [one async for one in door.start("HistoryService.GetStateForm", h.GetStateFormRequest())]
    assert (parts[0].head.version, parts[0].head.size_bytes, len(parts[0].head.sha256)) == (7, len(form), 32)
    assert b"".join(one.chunk for one in parts[1:]) == form


async def test_what_a_reading_refuses_is_told(door):
    door.readings.methods = {"artifact": not_found("artifact")}
    ended = await door.refused("ArtifactService.GetArtifact", a.GetArtifactRequest(artifact_id="x"))
    assert error_of_call(ended).code == "artifact_not_found"
