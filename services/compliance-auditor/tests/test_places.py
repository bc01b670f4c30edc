"""Where reading goes on: behind what is sealed, and never further."""

from __future__ import annotations

import asyncio

from looking import until

from metaqore_compliance_auditor.adapters.postgres.places import PostgresPlaces
from metaqore_compliance_auditor.bootstrap import MIGRATIONS
from metaqore_compliance_auditor.service import places
from metaqore_compliance_auditor.service.places import PlaceKeeper
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool


class SlowSealer:
    accepted = 0

    def __init__(self):
        self.may_seal = asyncio.Event()

    async def sealed(self, records):
        if records:
            await self.may_seal.wait()


class Kept:
    def __init__(self):
        self.offsets = {}
        self.away = False

    async def keep(self, offsets):
        if self.away:
            raise MetaQoreError("database_unavailable", "Away.", kind=ErrorKind.UNAVAILABLE, retryable=True)
        self.offsets = dict(offsets)


async def test_a_place_is_kept_once_all_before_it_is_sealed(monkeypatch):
    monkeypatch.setattr(places, "KEEP_EVERY_S", 0.01)
    sealer, kept = SlowSealer(), Kept()
    keeper = PlaceKeeper(kept, sealer)
    keeping = asyncio.create_task(keeper.run())
    sealer.accepted = 5
    keeper.taken("t", 0, 41)
    await asyncio.sleep(0.1)
    assert not kept.offsets
    sealer.may_seal.set()
    await until(lambda: kept.offsets == {("t", 0): 42})
    keeping.cancel()


async def test_while_the_store_is_away_the_place_is_kept_later(monkeypatch):
    monkeypatch.setattr(places, "KEEP_EVERY_S", 0.01)
    kept = Kept()
    kept.away = True
    keeper = PlaceKeeper(kept, SlowSealer())
    keeping = asyncio.create_task(keeper.run())
    keeper.taken("t", 0, 1)
    await asyncio.sleep(0.05)
    kept.away = False
    await until(lambda: kept.offsets == {("t", 0): 2})
    keeping.cancel()


async def test_postgresql_gives_back_what_was_kept_last(database_url):
    await migrate(database_url, MIGRATIONS)
    async with open_pool(database_url, name="places", size=1) as pool:
        store = PostgresPlaces(pool)
        assert await store.read() == {}
        await store.keep({("t", 0): 5, ("t", 1): 7})
        await store.keep({("t", 1): 9})
        assert await store.read() == {("t", 0): 5, ("t", 1): 9}
