"""What is kept for a while only is deleted when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.errors import database_errors

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Runs each of `chores` every `interval_s` seconds; one that fails is tried again the next time."""

    chores: Sequence[Callable[[], Awaitable[object]]]
    interval_s: float = 600.0

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            for chore in self.chores:
                try:
                    with database_errors():
                        await chore()
                except MetaQoreError as error:
                    _log.warning("housekeeping.failed", error=error.code)
            await asyncio.sleep(self.interval_s)
