"""The rows of bodies in PostgreSQL: the port `KeptBodies`, with what fills and empties it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from metaqore_ai_gateway.adapters.batched_reads import BatchedReads
from metaqore_ai_gateway.adapters.batched_writes import BatchedWrites
from metaqore_ai_gateway.adapters.psmp.body_rows import ERASE_BODIES, keep_bodies
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_mesh.objects import Body

# `between`: for a planner without statistics, see docs/adr/0013.
_KEPT: Final = """
select found.* from unnest($2::text[]) as asked (digest) cross join lateral (
    select digest, key_id, size_bytes, name, wrapped_key, sealed, sensitivity from psmp_bodies as b
    where b.organization = $1 and b.digest between asked.digest and asked.digest
    order by b.digest limit 1
) as found
"""
_LIVING: Final = """
select name from psmp_bodies where organization = $1 and name = any ($2::text[]) and wrapped_key is not null
"""
_KEEP: Final = keep_bodies(2, used=False)
_ERASED: Final = """
select found.* from unnest($2::text[]) as asked (digest) cross join lateral (
    select digest, (extract(epoch from erased_at) * 1000000)::bigint as erased_us from psmp_bodies as b
    where b.organization = $1 and b.digest between asked.digest and asked.digest
        and b.wrapped_key is null and b.erased_at is not null
    order by b.digest limit 1
) as found
"""


_Place: TypeAlias = tuple[str, str]
_Kept: TypeAlias = tuple[Body, Sensitivity]


class PostgresKeptBodies:
    """The bodies of all organizations, each in a row behind its organization's wall.

    What is kept at the same time shares a transaction, and so does what is looked for.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._writes = BatchedWrites("psmp bodies", self._keep_all)
        self._reads = BatchedReads("psmp bodies", self._all_kept)

    async def keep(self, body: Body, sensitivity: Sensitivity) -> Body:
        """Return once the row is committed: this body, or what is there where it was erased meanwhile.

        A version that names an erased body is refused, and who has the text puts it again. A body that no version
        names is forgotten after a day.
        """
        keeping = _Keeping(body, sensitivity)
        await self._writes.put(keeping)
        if keeping.done:
            return body
        return (await self.kept(body.organization, body.text.digest) or (body,))[0]

    async def find(self, organization: str, text: Commitment) -> Body | None:
        """The body with this text, if its key lives."""
        body, _ = await self.kept(organization, text.digest) or (None, None)
        return body if body is not None and body.wrapped_key and body.text == text else None

    async def kept(self, organization: str, digest: str) -> _Kept | None:
        """The body under this address, its `wrapped_key` empty where it was destroyed; the highest it was kept with."""
        return await self._reads.get((organization, digest))

    async def living(self, names: Sequence[str]) -> AbstractSet[str]:
        """Those of `names` whose keys live. An object's name says whose it is."""
        by_organization: dict[str, list[str]] = {}
        for name in names:
            by_organization.setdefault(name.partition("/")[2].rpartition("/")[0], []).append(name)
        found: set[str] = set()
        for organization, own in by_organization.items():
            async with of_organization(self._pool, organization) as connection:
                rows = await connection.fetch(_LIVING, organization, own)
            found.update(row["name"] for row in rows)
        return found

    async def erase(self, organization: str, digest: str) -> None:
        """Destroy the key of a text; once this returns nobody can read it, whichever version names it."""
        async with of_organization(self._pool, organization) as connection:
            await connection.execute(ERASE_BODIES, organization, [digest])

    async def erased(self, organization: str, digests: Collection[str]) -> Mapping[str, int]:
        """Those of these texts that are erased, each with when, in microseconds since the Unix epoch."""
        async with of_organization(self._pool, organization) as connection:
            rows = await connection.fetch(_ERASED, organization, list(digests))
        return {row["digest"]: row["erased_us"] for row in rows}

    async def settled(self) -> None:
        """Return once everything that was given to be kept is."""
        await self._writes.settled()

    async def _all_kept(self, places: Collection[_Place]) -> Mapping[_Place, _Kept]:
        by_organization: dict[str, list[str]] = {}
        for organization, digest in places:
            by_organization.setdefault(organization, []).append(digest)
        found: dict[_Place, _Kept] = {}
        for organization, digests in by_organization.items():
            async with of_organization(self._pool, organization) as connection:
                rows = await connection.fetch(_KEPT, organization, digests)
            for digest, key_id, size_bytes, name, wrapped_key, sealed, sensitivity in rows:
                text = Commitment(digest, key_id, size_bytes)
                body = Body(organization, text, name, wrapped_key or b"", sealed)
                found[organization, digest] = body, Sensitivity(sensitivity)
        return found

    async def _keep_all(self, given: Sequence[_Keeping]) -> None:
        by_organization: dict[str, dict[str, _Keeping]] = {}
        for one in given:
            own = by_organization.setdefault(one.body.organization, {})
            if other := own.get(one.body.text.digest):
                one.sensitivity = max(one.sensitivity, other.sensitivity)
            own[one.body.text.digest] = one
        for organization, own in by_organization.items():
            rows = [_row(one) for one in own.values()]
            async with of_organization(self._pool, organization) as connection:
                kept = await connection.fetch(_KEEP, organization, *[list(each) for each in zip(*rows, strict=True)])
            for row in kept:
                own[row["digest"]].done = True


@dataclass(slots=True, eq=False)
class _Keeping:
    body: Body
    sensitivity: Sensitivity
    done: bool = False


def _row(one: _Keeping) -> tuple[str, str, int, str, bytes, bytes | None, int]:
    body, text = one.body, one.body.text
    return text.digest, text.key_id, text.size_bytes, body.name, body.wrapped_key, body.sealed, one.sensitivity
