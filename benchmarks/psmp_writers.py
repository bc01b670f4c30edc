"""Writers that propose artifacts through gRPC into one project, each waiting for its answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import grpc
from psmp_mesh import Mesh, cpu_us, server_cpu_us
from psmp_seed import BODY_BYTES, Declarations
from stub_mesh import bare_writes

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import project_pb2
from metaqore.psmp.v1.artifact_pb2_grpc import ArtifactServiceStub
from metaqore.psmp.v1.project_pb2_grpc import ProjectServiceStub
from metaqore_mesh.embedded.postgres import ADMIN

WRITERS: Final = 16
TIMEOUT_S: Final = 60.0
BARE: Final = "bench_bare"
_WORDS: Final = ("return", "value", "report", "check", "state", "order", "total", "import", "class", "yield", "merge")


@dataclass(frozen=True, slots=True)
class Proposed:
    """Proposals a second, and the CPU of one in the service's process and in the database's, in microseconds."""

    per_s: float
    service_us: float
    database_us: float
    each_ms: Sequence[float]

    @property
    def both_us(self) -> float:
        """Service and database together."""
        return self.service_us + self.database_us


def mean(one: Proposed, other: Proposed) -> Proposed:
    """Of two looks of the same length."""
    return Proposed(
        (one.per_s + other.per_s) / 2,
        (one.service_us + other.service_us) / 2,
        (one.database_us + other.database_us) / 2,
        [*one.each_ms, *other.each_ms],
    )


class Load:
    """Proposes in the projects of one service, whose process is `pid` and which writes to the mesh's database."""

    def __init__(self, mesh: Mesh, channel: grpc.aio.Channel, pid: int) -> None:
        self._directory = mesh.postgres.directory
        self._pid = pid
        self._artifacts = ArtifactServiceStub(channel)
        self._projects = ProjectServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {mesh.api_key}"),)

    async def create_project(self, name: str) -> str:
        """The id of a new project."""
        request = project_pb2.CreateProjectRequest(name=name)
        made = await self._projects.CreateProject(request, metadata=self._metadata, timeout=TIMEOUT_S)
        return made.project.id

    async def propose(self, project: str, declarations: Declarations, count: int, writers: int = WRITERS) -> Proposed:
        """So many proposals. Their requests are made before."""
        requests = iter([_request(project, declarations) for _ in range(count)])
        each_ms: list[float] = []

        async def writer() -> None:
            for request in requests:
                began = time.perf_counter()
                answer = await self._artifacts.CreateArtifact(request, metadata=self._metadata, timeout=TIMEOUT_S)
                each_ms.append((time.perf_counter() - began) * 1000)
                if answer.conflicts:
                    raise RuntimeError(f"A proposal clashes: {answer.conflicts[0].explanation}")

        service, server = cpu_us(self._pid), server_cpu_us(self._directory)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(writers):
                group.create_task(writer())
        wall_s = time.perf_counter() - began
        service_us, server_us = cpu_us(self._pid) - service, server_cpu_us(self._directory) - server
        return Proposed(count / wall_s, service_us / count, server_us / count, each_ms)


@asynccontextmanager
async def open_load(mesh: Mesh) -> AsyncIterator[Load]:
    """The load of the mesh's gateway, over one connection."""
    async with grpc.aio.insecure_channel(mesh.grpc) as channel:
        yield Load(mesh, channel, mesh.gateway_pid)


@asynccontextmanager
async def open_bare_load(mesh: Mesh, *, shared: bool) -> AsyncIterator[Load]:
    """The load of a bare loop beside it, in a database of its own on the same server."""
    admin = await asyncpg.connect(mesh.postgres.url("postgres", role=ADMIN))
    try:
        if not await admin.fetchval("select true from pg_database where datname = $1", BARE):
            await admin.execute(f"create database {BARE}")
    finally:
        await admin.close()
    with bare_writes(mesh.postgres.url(BARE, role=ADMIN), shared=shared) as bare:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{bare.port}") as channel:
            yield Load(mesh, channel, bare.pid)


def _request(project: str, declarations: Declarations) -> pb.CreateArtifactRequest:
    name, content = declarations.next()
    dependencies = [
        pb.Dependency(ecosystem=one.ecosystem, name=one.name, text=one.text) for one in content.dependencies
    ]
    declared = pb.Declarations(
        paths=content.paths, dependencies=dependencies, semantic_version=content.semantic_version
    )
    body = body_of(content.body.digest)
    version = pb.NewVersion(name=name, content_bytes=body, media_type="text/x-python", declarations=declared)
    return pb.CreateArtifactRequest(project_id=project, version=version)


def body_of(seed: str) -> bytes:
    """A text of `BODY_BYTES` that no other artifact has."""
    text = " ".join(random.Random(seed).choices(_WORDS, k=BODY_BYTES // 5))
    return f"# {seed}\n{text}{' ' * BODY_BYTES}".encode()[:BODY_BYTES]
