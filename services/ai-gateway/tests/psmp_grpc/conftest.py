"""The gRPC door onto PSMP on a real server, with a gate, readings and uploads that each test scripts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import grpc
import pytest

from metaqore.psmp.v1 import (
    artifact_pb2_grpc,
    checkpoint_pb2_grpc,
    conflict_pb2_grpc,
    history_pb2_grpc,
    project_pb2_grpc,
    watch_pb2_grpc,
    work_pb2_grpc,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.services import psmp_services
from metaqore_ai_gateway.entrypoints.psmp_grpc.watch import WatchServicer
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Phase, Version
from metaqore_governance_core.psmp.project import Project, ProjectState
from metaqore_governance_core.psmp.work import Work, WorkState
from metaqore_mesh.grpc.identity import bearer_token
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health

STUBS = {
    "ProjectService": project_pb2_grpc.ProjectServiceStub,
    "WorkService": work_pb2_grpc.WorkServiceStub,
    "ArtifactService": artifact_pb2_grpc.ArtifactServiceStub,
    "ConflictService": conflict_pb2_grpc.ConflictServiceStub,
    "CheckpointService": checkpoint_pb2_grpc.CheckpointServiceStub,
    "HistoryService": history_pb2_grpc.HistoryServiceStub,
    "WatchService": watch_pb2_grpc.WatchServiceStub,
}


class Script:
    """Does what the test says of each of its methods, and keeps what it was given."""

    def __init__(self, **methods):
        self.calls = []
        self.methods = methods

    def __getattr__(self, name):
        def called(*arguments, **options):
            self.calls.append((name, arguments, options))
            made = self.methods[name]
            return made(*arguments, **options) if callable(made) else settled(made)

        return called


async def settled(value):
    if isinstance(value, Exception):
        raise value
    return value


class Gate:
    """Answers every command with `answer`, or raises it."""

    def __init__(self):
        self.given = []
        self.answer = Answer("receipt-1", "token-1", "p1", 7)

    async def __call__(self, given):
        self.given.append(given)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


SCOPES = {"ann": {"psmp:read", "psmp:write"}, "eve": set()}
"""Of those who have a key."""


async def authenticate(metadata):
    name = bearer_token(metadata)
    if name not in SCOPES:
        raise MetaQoreError("invalid_api_key", "Who are you?", kind=ErrorKind.UNAUTHENTICATED)
    return Caller(f"key-{name}", "acme", name, frozenset(SCOPES[name]))


class Door:
    def __init__(self, channel, gate, readings, uploads, watching):
        self.channel, self.gate, self.readings, self.uploads = channel, gate, readings, uploads
        self.watching = watching

    def stub(self, service):
        return STUBS[service](self.channel)

    def start(self, method, request, *, caller="ann", **options):
        service, _, name = method.partition(".")
        metadata = (("authorization", f"Bearer {caller}"),)
        return getattr(self.stub(service), name)(request, metadata=metadata, timeout=20, **options)

    async def call(self, method, request, **options):
        return await self.start(method, request, **options)

    async def refused(self, method, request, **options):
        """The error that the call ends with, as the transport has it."""
        call = self.start(method, request, **options)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await (listed(call) if hasattr(call, "__aiter__") else call)
        return ended.value


async def listed(call):
    return [one async for one in call]


@asynccontextmanager
async def serving(services, **options):
    async with (
        serve_grpc("127.0.0.1:0", services, health=Health(), grace_s=0.1, **options) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel,
    ):
        yield channel


@pytest.fixture
def revoke(monkeypatch):
    """Takes somebody's key back."""
    return lambda name: monkeypatch.delitem(SCOPES, name)


@pytest.fixture
async def door():
    gate, readings, uploads, watching = Gate(), Script(), Script(), Script()
    watch = WatchServicer(watching.watch, authenticate, check_s=0.2)
    async with serving(psmp_services(gate, readings, uploads, watch), authenticate=authenticate) as channel:
        yield Door(channel, gate, readings, uploads, watching)


BODY = Body("d" * 64, "key-1", "text/x-python", 5)


def version(number=1, phase=Phase.PROPOSED, **rest):
    content = rest.pop("content", Content(BODY, paths=("a.py",)))
    return Version(number, content, phase, 2_000_001, "ann", "ann", **rest)


def artifact(name="a.py", *versions, revision=3):
    state = Artifact("acme", "p1", name, "about it", (("team", "blue"),), versions or (version(),))
    return Known(Ref(Kind.ARTIFACT, name), artifact_id("acme", "p1", name), "p1", revision, 7, state)


def project(**rest):
    state = Project(ProjectState.OPEN, "p1", "acme", "garden", **rest)
    return Known(Ref(Kind.PROJECT, "p1"), "p1", "p1", 2, 7, state)


def task(**rest):
    state = Work(WorkState.CLAIMED, "t1", "acme", "p1", "weed it", "ann", 9_000_000, 1, **rest)
    return Known(Ref(Kind.TASK, "t1"), "t1", "p1", 4, 7, state)


@pytest.fixture
def made():
    """Builders of what the core would answer."""
    return SimpleNamespace(version=version, artifact=artifact, project=project, task=task)
