"""The whole state of a project at a version, folded anew from its stored events and from nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.state_codec import decode_event, encode_state
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref, State
from metaqore_ai_gateway.service.psmp.folding import beginning, evolve

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_BATCH: Final = 500
# `+ 0`, so that they are read in the order of their aggregates and not by counting through the project.
_EVENTS: Final = """
select kind, aggregate, aggregate_version, type, schema, body from psmp_events
where organization = $1 and project = $2 and (kind, aggregate, aggregate_version) > ($3, $4, $5)
    and version + 0 <= $6
order by kind, aggregate, aggregate_version limit $7
"""
_LISTS: Final = {Kind.ARTIFACT: b'{"artifacts":[', Kind.TASK: b',"tasks":['}


@dataclass(frozen=True, slots=True)
class PostgresReplay:
    """The port `Replay` on PostgreSQL.

    States are written by msgspec, in a hundredth of the time that `state_bytes` of the core takes; a test holds both to
    the same bytes. One aggregate is in memory at a time. Events never change: each batch is a short transaction.
    """

    pool: Pool

    async def pieces(self, organization: str, project: str, version: int) -> AsyncIterator[bytes]:
        """The state in the form of RFC 8785, in pieces."""
        yield _LISTS[Kind.ARTIFACT]
        kind, first = Kind.ARTIFACT, True
        async for ref, state in _replayed(self.pool, organization, project, version):
            if ref.kind is Kind.PROJECT:
                yield b'],"project":' + encode_state(state) + _LISTS[Kind.TASK]
                kind, first = Kind.TASK, True
            else:
                yield (b"" if first else b",") + encode_state(state)
                first = False
        if kind is Kind.ARTIFACT:  # before its first event there is no project
            yield b'],"project":null' + _LISTS[Kind.TASK]
        yield b"]}"

    async def digest(self, organization: str, project: str, version: int) -> str:
        """SHA-256 of the same, in hex."""
        digest = hashlib.sha256()
        async for piece in self.pieces(organization, project, version):
            digest.update(piece)
        return digest.hexdigest()


async def _replayed(pool: Pool, organization: str, project: str, version: int) -> AsyncIterator[tuple[Ref, State]]:
    """Each aggregate as it was then, in the order of kind and id."""
    place: tuple[str, str, int] = ("", "", 0)
    ref: Ref | None = None
    state: State | None = None
    while True:
        async with of_organization(pool, organization) as connection:
            rows = await connection.fetch(_EVENTS, organization, project, *place, version, _BATCH)
        for row in rows:
            at = Ref(Kind(row["kind"]), row["aggregate"])
            if at != ref:
                if ref is not None and state is not None:
                    yield ref, state
                ref, state = at, beginning(at.kind)
            assert state is not None  # noqa: S101 - set with its ref
            state = evolve(state, decode_event(row["type"], row["schema"], row["body"]))
        if len(rows) < _BATCH:
            break
        place = (rows[-1]["kind"], rows[-1]["aggregate"], rows[-1]["aggregate_version"])
    if ref is not None and state is not None:
        yield ref, state
