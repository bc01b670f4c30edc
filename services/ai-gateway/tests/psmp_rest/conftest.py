"""The slow plane in this process, with a gate and readings that tell what they were asked."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from door_tasks import OneDoorTask
from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor, RestLimits
from metaqore_ai_gateway.entrypoints.slow.plane import slow_plane
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import Answer, not_found
from metaqore_ai_gateway.service.psmp.ids import artifact_id, event_id
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Difference
from metaqore_ai_gateway.service.psmp.reading_ports import (
    Change,
    ChangeKind,
    Edge,
    FoundConflict,
    Origin,
    PastEvent,
    Provenances,
    Slice,
)
from metaqore_ai_gateway.service.psmp.uploads import StoredBody
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.psmp.artifact_events import Proposed
from metaqore_governance_core.psmp.artifact_state import (
    Artifact,
    Body,
    Content,
    Dependency,
    OpenConflict,
    Phase,
    Version,
)
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem, WayOut
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.project import Project, ProjectState
from metaqore_governance_core.psmp.resolution import Step
from metaqore_governance_core.psmp.work import Work, WorkState
from metaqore_mesh.health import Health

ORGANIZATION = "org_1"
PROJECT = "p1"
TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b97"
DOOR_TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b98"
ARTIFACT = artifact_id(ORGANIZATION, PROJECT, "api")
CHECKPOINT = "checkpoint_" + "a" * 26

CALLERS = {
    "alice": Caller("key_1", ORGANIZATION, "alice", frozenset(DEFAULT_SCOPES)),
    "reader": Caller("key_2", ORGANIZATION, "reader", frozenset({"tasks:read"})),
    "auditor": Caller("key_3", ORGANIZATION, "auditor", frozenset({"audit:read"})),
}

PARTIES = (Party("api", 2, "alice", "numpy<2"), Party("model", 1, "bob", "numpy>=2"))
CONFLICT = make_conflict(
    ConflictType.PYTHON_VERSIONS,
    Severity.BLOCKING,
    "python:numpy",
    parties=PARTIES,
    clashing=PARTIES,
    suggestion=Choice.KEEP_EXISTING,
    explanation="No version of numpy satisfies both.",
)
OPEN = OpenConflict(CONFLICT, 7)


def version(number, phase=Phase.PROPOSED, **fields):
    content = Content(
        Body("d" * 64, "k1", "text/x-python", 3),
        paths=("api.py",),
        renames=(("old.py", "new.py"),),
        dependencies=(Dependency("python", "numpy", "numpy<2"),),
    )
    return Version(number, content, phase, 5, "alice", drafted_us=4, **fields)


def known_project():
    state = Project(ProjectState.OPEN, PROJECT, ORGANIZATION, "Storefront", created_us=1, since_us=2)
    return Known(Ref(Kind.PROJECT, PROJECT), PROJECT, PROJECT, 3, 17, state)


def known_task():
    state = Work(WorkState.OPEN, TASK, ORGANIZATION, PROJECT, "Write it", since_us=6, created_us=6)
    return Known(Ref(Kind.TASK, TASK), TASK, PROJECT, 2, 17, state)


def known_artifact(count=2):
    versions = (*(version(n, Phase.ARCHIVED) for n in range(1, count)), version(count, conflicts=(OPEN,)))
    state = Artifact(ORGANIZATION, PROJECT, "api", "The entry point", (("team", "web"),), versions)
    return Known(Ref(Kind.ARTIFACT, "api"), ARTIFACT, PROJECT, 5, 17, state)


def checkpoint():
    return Checkpoint(CHECKPOINT, "before", 12, "alice", 9, "", "e" * 64)


class TellingGate:
    """Answers every command, and keeps what it was given; `refuse` is raised instead."""

    def __init__(self):
        self.given = []
        self.refuse = None

    async def __call__(self, given):
        self.given.append(given)
        if self.refuse is not None:
            raise self.refuse
        aggregate = given.command.name.partition(".")[0]
        known = {"project": known_project, "task": known_task}.get(aggregate, known_artifact)()
        answer = Answer("receipt-1", "token-1", PROJECT, 18, (known,), (OPEN,))
        if aggregate == "checkpoint":
            before = replace(known.artifact, versions=(version(1, Phase.ACTIVE),))
            difference = Difference("api", before, known.artifact)
            return replace(answer, checkpoint=checkpoint(), differences=(difference,))
        return replace(answer, steps=(Step("model", 1, "reject", "because", ()),), ended=(f"artifact {ARTIFACT}",))


class TellingReadings:
    """Knows one of each, and keeps how it was asked."""

    def __init__(self):
        self.asked = []

    def _ask(self, name, *args, **named):
        self.asked.append((name, args, named))

    async def project(self, _caller, project, at=None):
        self._ask("project", project, at)
        return _only(project, PROJECT, "project", known_project)

    async def projects(self, _caller, wanted, **named):
        self._ask("projects", wanted, **named)
        return Slice((known_project(),), "next")

    async def artifact(self, _caller, artifact, at=None):
        self._ask("artifact", artifact, at)
        return _only(artifact, ARTIFACT, "artifact", known_artifact)

    async def artifacts(self, _caller, project, wanted, **named):
        self._ask("artifacts", project, wanted, **named)
        return Slice((known_artifact(),))

    async def version(self, _caller, artifact, number):
        self._ask("version", artifact, number)
        known = _only(artifact, ARTIFACT, "artifact", known_artifact)
        if number > len(known.artifact.versions):
            raise not_found("version")
        return known, known.artifact.versions[number - 1]

    async def task(self, _caller, task, at=None):
        self._ask("task", task, at)
        return _only(task, TASK, "task", known_task)

    async def tasks(self, _caller, project, wanted, **named):
        self._ask("tasks", project, wanted, **named)
        return Slice((known_task(),))

    async def conflicts(self, _caller, project, wanted, **named):
        self._ask("conflicts", project, wanted, **named)
        return Slice((FoundConflict(OPEN, PROJECT, "api", ARTIFACT, 2),))

    async def conflict(self, _caller, conflict):
        self._ask("conflict", conflict)
        return _only(conflict, "conflict_1", "conflict", lambda: FoundConflict(OPEN, PROJECT, "api", ARTIFACT, 2, 11))

    async def report(self, _caller, project, wanted, **named):
        self._ask("report", project, wanted, **named)
        way_out = WayOut("metaqore artifact activate", "anybody but alice")
        return Slice((StuckItem("artifact api v2", Cause.ACTIVATION, "Nobody has.", 5, (way_out,)),)), 1

    async def events(self, _caller, project, after, size=100):
        self._ask("events", project, after, size)
        happened = [Happened(n, Ref(Kind.ARTIFACT, "api"), n, Proposed("alice", 5, 1, None)) for n in range(1, 4)]
        return tuple(
            PastEvent(event_id(PROJECT, one.version), ORGANIZATION, PROJECT, one, ARTIFACT, "receipt-1", 6)
            for one in happened
            if one.version > after
        )[:size]

    async def diff(self, _caller, project, low, high, wanted):
        self._ask("diff", project, low, high, wanted)
        return Slice((Change(Kind.ARTIFACT, ARTIFACT, "api", ChangeKind.ADDED, 0, 2, ("versions",)),))

    async def state_form(self, _caller, project, at=None):
        self._ask("state_form", project, at)
        return 17, b'{"artifacts":[]}'

    async def provenance(self, _caller, artifact, number, direction, depth):
        self._ask("provenance", artifact, number, direction, depth)
        known = known_artifact()
        edge = Edge(f"{ARTIFACT}@2", f"{ARTIFACT}@1", "parent")
        return Provenances((Origin(known, known.artifact.versions[1], 0),), (edge,), ("artifact_x@1",))

    async def checkpoint(self, _caller, checkpoint_):
        self._ask("checkpoint", checkpoint_)
        return _only(checkpoint_, CHECKPOINT, "checkpoint", lambda: (PROJECT, checkpoint()))

    async def checkpoints(self, _caller, project, wanted):
        self._ask("checkpoints", project, wanted)
        return Slice((checkpoint(),))

    async def body(self, _caller, artifact, number, offset=0):
        self._ask("body", artifact, number, offset)
        for piece in (b"a", b"bc"):
            if piece[offset:]:
                yield piece[offset:]
            offset = max(0, offset - len(piece))


def _only(asked, known, what, make):
    if asked != known:
        raise not_found(what)
    return make()


class TellingUploads:
    """Keeps every body in memory."""

    def __init__(self):
        self.kept = []

    async def put(self, _caller, text, media_type):
        body = b"".join([piece async for piece in text])
        self.kept.append((body, media_type))
        digest = "d" * 64 if body == b"abc" else "f" * 64
        return StoredBody(digest, "k1", media_type, len(body), "receipt-2", "token-2")


class FixedKeys:
    def find(self, secret):
        return CALLERS.get(secret)


@pytest.fixture
def conflict():
    """The conflict that everything stands in; the readings give it for `conflict_1`."""
    return CONFLICT


@pytest.fixture
def gate():
    return TellingGate()


@pytest.fixture
def readings():
    return TellingReadings()


@pytest.fixture
def uploads():
    return TellingUploads()


def door(gate, readings, uploads):
    limits = RestLimits(body_bytes=64 * 1024, content_bytes=1024)
    tasks = OneDoorTask(ORGANIZATION, DOOR_TASK)
    return PsmpDoor(gate, readings, uploads, GetTask(tasks), ListTasks(tasks), limits)


@pytest.fixture(scope="session")
def plane():
    """One application for all tests: FastAPI takes a while to make its routes."""
    nobody = door(TellingGate(), TellingReadings(), TellingUploads())
    return slow_plane(keys=FixedKeys(), health=Health(), psmp=nobody)


@pytest.fixture
def app(plane, gate, readings, uploads):
    plane.state.psmp = door(gate, readings, uploads)
    return plane


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer alice"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as made:
        yield made
