"""A database that is new has no statistics: what is read of it must not grow with what is in it all the same."""

import asyncpg
import pytest

from metaqore_ai_gateway.adapters.psmp.catalog import PostgresCatalog
from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.provenance import PostgresProvenance
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_mesh.database.pool import open_pool

ARTIFACTS = 300
TABLES = ("psmp_aggregates", "psmp_bodies", "psmp_conflict_entries", "psmp_conflict_parties")
_IDS = "select id from psmp_aggregates where kind = 'artifact'"
_READ = """
select indexrelname, idx_tup_read::float / idx_scan from pg_stat_user_indexes
where relname = any ($1) and idx_scan > 100 order by 2 desc
"""


@pytest.fixture
async def owner(psmp_url):
    connection = await asyncpg.connect(psmp_url)
    yield connection
    await connection.close()


async def test_a_young_database_is_read_by_key(psmp_url, owner, team):
    for table in TABLES:
        await owner.execute(f"alter table {table} set (autovacuum_enabled = false)")
    async with open_pool(psmp_url, name="young", size=1) as pool:
        hand = type(team)(ProjectQueues(PostgresProjectStore(pool)))
        hand.clock = team.clock
        for number in range(ARTIFACTS):
            # One of three becomes active, one is stopped by it, one is rejected.
            path = f"{number - number % 3 // 2 * 2}.py"
            await hand.propose(f"a{number}", body=f"{number % 16:x}", paths=[path], needs=[f"package{number}<2"])
            if number % 3 == 0:
                await hand.activate(f"a{number}")
            elif number % 3 == 1:
                await hand.do(hand.ask(f"a{number}", c.Reject, "no", by=hand.bob))
        async with of_organization(pool, "acme") as connection:
            ids = [row["id"] for row in await connection.fetch(_IDS)]
        await look(pool, ids)
        async with pool.acquire() as connection:
            await connection.execute("select pg_stat_force_next_flush()")
    read = dict(await owner.fetch(_READ, TABLES))
    assert {"psmp_aggregates_by_id", "psmp_bodies_pkey", "psmp_conflict_entries_pkey"} <= read.keys()
    assert max(read.values()) < ARTIFACTS / 20, read


async def look(pool, ids):
    assert len(ids) == ARTIFACTS
    catalog, provenance, bodies = PostgresCatalog(pool), PostgresProvenance(pool), PostgresKeptBodies(pool)
    for id_ in ids:
        assert await catalog.place("acme", Kind.ARTIFACT, id_)
        assert await catalog.named("acme", Kind.ARTIFACT, id_)
        assert await provenance.artifacts("acme", [id_])
        assert await bodies.kept("acme", "d" * 64)
        assert not await bodies.erased("acme", ["d" * 64])
