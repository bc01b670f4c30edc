"""How far the audit topic was read when everything read was sealed.

A hint and no more: the log knows a record by its writer and sequence, and a writer sends again what is not sealed. It
saves a successor from reading a topic that keeps a week of records from its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from metaqore_compliance_auditor.service.sealing import Sealer
from metaqore_governance_core.errors import MetaQoreError

Place = tuple[str, int]
"""A topic's name and the number of a partition."""

KEEP_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


class Places(Protocol):
    """Where places are kept. Both raise `MetaQoreError` where the store is away."""

    async def read(self) -> Mapping[Place, int]:
        """The next offset of each place."""
        ...

    async def keep(self, offsets: Mapping[Place, int]) -> None:
        """Remember the next offset of each of these places, of which there is at least one."""
        ...


class PlaceKeeper:
    """Keeps the places of one intake."""

    def __init__(self, places: Places, sealer: Sealer) -> None:
        self._places = places
        self._sealer = sealer
        self._taken: dict[Place, int] = {}

    def taken(self, topic: str, partition: int, offset: int) -> None:
        """What lies at `offset`, and all before it, was offered to the sealer."""
        self._taken[topic, partition] = offset + 1

    async def run(self) -> None:
        """Keep what has been sealed, once a second, until cancelled. Where the store is away, later."""
        kept: dict[Place, int] = {}
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            taken = dict(self._taken)
            if taken == kept:
                continue
            await self._sealer.sealed(self._sealer.accepted)
            try:
                await self._places.keep(taken)
            except MetaQoreError as error:
                log.info("intake.place_not_kept", code=error.code)
            else:
                kept = taken
