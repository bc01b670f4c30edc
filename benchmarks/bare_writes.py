"""What the same calls and bodies cost where nothing is governed: a bare loop of grpc.aio and asyncpg.

    python benchmarks/bare_writes.py [--shared] postgresql://...

Keeps the body of each request in a row and advances its project's counter, in a transaction each or, with `--shared`,
in one for all that wait. It asks for no key, decides nothing, judges no conflict, seals nothing and signs nothing. Its
first line of output is its port.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import grpc
import uvloop

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import common_pb2

SERVICE: Final = "metaqore.psmp.v1.ArtifactService"
CONNECTIONS: Final = 16
TABLES: Final = """
    create table if not exists bare_projects (project text primary key, version bigint not null);
    create table if not exists bare_bodies (
        project text, version bigint, name text not null, body bytea not null, primary key (project, version)
    )
"""
ADVANCE: Final = """
    insert into bare_projects values ($1, $2)
    on conflict (project) do update set version = bare_projects.version + $2 returning version
"""
KEEP: Final = "insert into bare_bodies values ($1, $2, $3, $4)"


@dataclass(slots=True)
class _Waiting:
    request: pb.CreateArtifactRequest
    written: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class BareWrites:
    """Answers each request with the version at which its body was kept."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, shared: bool) -> None:
        self._pool = pool
        self._write = self._with_the_others if shared else self._alone
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def create(self, request: pb.CreateArtifactRequest, context: Any) -> pb.CreateArtifactResponse:
        """Keep one body."""
        del context
        version = await self._write(request)
        return pb.CreateArtifactResponse(committed=common_pb2.Committed(project_version=version))

    async def _alone(self, request: pb.CreateArtifactRequest) -> int:
        return await self._transact([request])

    async def _with_the_others(self, request: pb.CreateArtifactRequest) -> int:
        waiting = _Waiting(request)
        self._waiting.append(waiting)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting())
        return await waiting.written

    async def _write_waiting(self) -> None:
        while together := self._waiting:
            self._waiting = []
            newest = await self._transact([one.request for one in together])
            for version, one in enumerate(together, newest - len(together) + 1):
                one.written.set_result(version)
        self._writer = None

    async def _transact(self, requests: list[pb.CreateArtifactRequest]) -> int:
        """All in one transaction; the version after it. They are of one project."""
        project = requests[0].project_id
        async with self._pool.acquire() as connection, connection.transaction():
            newest = int(await connection.fetchval(ADVANCE, project, len(requests)))
            first = newest - len(requests) + 1
            rows = [
                (project, version, request.version.name, request.version.content_bytes)
                for version, request in enumerate(requests, first)
            ]
            await connection.executemany(KEEP, rows)
        return newest


async def serve(database_url: str, *, shared: bool) -> None:
    """Until the process is ended."""
    async with asyncpg.create_pool(database_url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(TABLES)
        create = grpc.unary_unary_rpc_method_handler(
            BareWrites(pool, shared=shared).create,
            pb.CreateArtifactRequest.FromString,
            pb.CreateArtifactResponse.SerializeToString,
        )
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"CreateArtifact": create}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(port, flush=True)
        await server.wait_for_termination()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database_url", help="a database whose role may create tables")
    parser.add_argument("--shared", action="store_true", help="one transaction for all requests that wait")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.database_url, shared=arguments.shared))


if __name__ == "__main__":
    main()
