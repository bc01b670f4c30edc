"""Answers for repeats with the same idempotency key, in PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Final, TypeAlias

import asyncpg
import structlog

from metaqore_ai_gateway.adapters.batched_writes import BatchedWrites
from metaqore_ai_gateway.service.idempotency import body_differs, in_flight
from metaqore_ai_gateway.service.ports import StoredAnswer
from metaqore_mesh.database.errors import database_errors

KEPT_HOURS: Final = 24
KEEP_S: Final = 2.0
"""How long an answer waits until it is kept. It leaves then, and is kept once the database is back."""

_TAKE = f"""
insert into idempotency_keys as held (organization, key, digest, writer) values ($1, $2, $3, $4)
on conflict (organization, key) do update
    set digest = excluded.digest, writer = excluded.writer, created_at = now(),
        status = null, headers = null, body = null
    where held.created_at < now() - interval '{KEPT_HOURS} hours'
        or (held.writer = excluded.writer and held.status is null)
returning true
"""  # noqa: S608  a constant
_HELD = "select digest, status, headers, body from idempotency_keys where organization = $1 and key = $2"
_FINISH = """
update idempotency_keys set status = $4, headers = $5, body = $6
where organization = $1 and key = $2 and writer = $3 and status is null
"""
_RELEASE = "delete from idempotency_keys where organization = $1 and key = $2 and writer = $3 and status is null"
_FORGET = f"delete from idempotency_keys where created_at < now() - interval '{KEPT_HOURS} hours'"  # noqa: S608 - constants only


_log = structlog.get_logger()

_Place: TypeAlias = tuple[str, str]
"""An organization, and a key of one of its callers."""


class PostgresIdempotencyStore:
    """The port `Idempotency` on PostgreSQL. `writer` is the spool's writer id, which outlives a restart.

    Which requests run is known here: one process at a time has the writer. What the database says of its others was
    left by a crash, or by a connection that died before it could tell that the key was taken, and is free.

    Of a caller's key only the SHA-256 is kept: nobody scans it, and a table is no place for what might be a secret.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], writer: str) -> None:
        self._pool = pool
        self._writer = writer
        self._running: dict[_Place, bytes] = {}
        self._answers: BatchedWrites[tuple[_Place, StoredAnswer]] = BatchedWrites("kept answers", self._keep_all)

    async def begin(self, organization: str, key: str, body_digest: bytes) -> StoredAnswer | None:
        """Take the key for this request, and give None; or give the answer that the same request got before."""
        place = (organization, key)
        if place in self._running:
            raise in_flight() if self._running[place] == body_digest else body_differs()
        self._running[place] = body_digest
        try:
            stored = await self._take(organization, _hashed(key), body_digest)
        except BaseException:
            del self._running[place]
            raise
        if stored is not None:
            del self._running[place]
        return stored

    async def _take(self, organization: str, key: str, body_digest: bytes) -> StoredAnswer | None:
        while True:
            with database_errors():
                if await self._pool.fetchval(_TAKE, organization, key, body_digest, self._writer):
                    return None
                row = await self._pool.fetchrow(_HELD, organization, key)
            if row is None:
                continue  # released between the two statements: it is free to take
            if row["digest"] != body_digest:
                raise body_differs()
            if row["status"] is None:
                raise in_flight()
            return StoredAnswer(row["status"], json.loads(row["headers"]), row["body"])

    async def finish(self, organization: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer for repeats. Until the database has it, they are told that the first still runs."""
        place = (organization, key)
        kept = self._answers.put((place, answer))
        kept.add_done_callback(lambda _: self._running.pop(place, None))
        await asyncio.wait((kept,), timeout=KEEP_S)
        if kept.done():
            kept.result()
        else:
            _log.warning("idempotency.finish_delayed")

    async def _keep_all(self, answers: Sequence[tuple[_Place, StoredAnswer]]) -> None:
        rows = [
            (organization, _hashed(key), self._writer, one.status, json.dumps(dict(one.headers)), one.body)
            for (organization, key), one in answers
        ]
        await self._pool.executemany(_FINISH, rows)

    async def release(self, organization: str, key: str) -> None:
        """Forget that the key was taken."""
        try:
            with database_errors():
                await self._pool.execute(_RELEASE, organization, _hashed(key), self._writer)
        finally:
            self._running.pop((organization, key), None)

    async def forget_old(self) -> int:
        """Delete what is older than 24 hours, and say how many."""
        with database_errors():
            return _count(await self._pool.execute(_FORGET))


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _count(status: str) -> int:
    """The number of rows in a command's status, as in `DELETE 3`."""
    return int(status.rsplit(" ", 1)[-1])
