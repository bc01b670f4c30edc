"""The end of the event table as it grows, for the watchers of this process.

Each process follows all events by itself: there is no lock, and no place that is kept. It begins where the oldest open
transaction stands, so that nothing is left out, and passes over what was committed before it began.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from metaqore_ai_gateway.adapters.psmp.event_wakeup import Wakeup, listening, seeing_all
from metaqore_ai_gateway.adapters.psmp.relay import LARGEST_BATCH_BYTES, NEXT, WAITING, relayed
from metaqore_ai_gateway.service.psmp.watch_hub import WatchHub
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.errors import database_errors

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_NOW: Final = "select pg_current_snapshot()::text"
"""As `xmin:xmax:xip_list`; `xmin` is the oldest open transaction."""
_NEXT: Final = f"""
select *, pg_visible_in_snapshot(transaction_id::xid8, $5::text::pg_snapshot) as is_past from ({NEXT}) as next
"""  # noqa: S608 - constants only
_RETRY_S: Final = 1.0
_GATED_S: Final = 0.05
_log = structlog.get_logger()


@dataclass(slots=True)
class EventTail:
    """Publishes every event of the database at `url` to `hub` while anybody watches, until cancelled."""

    url: str
    hub: WatchHub
    name: str
    batch: int = 500
    interval_s: float = 1.0
    _began: str = ""
    _place: tuple[str, int] | None = None

    async def run(self) -> None:
        """Follow for ever; errors of the database are logged and outlived, and nothing is left out for them."""
        while True:
            if not self.hub.is_watched:
                self.hub.ended()
                self._place = None
            await self.hub.watched()
            try:
                await self._follow()
            except MetaQoreError as error:
                _log.warning("psmp.tail_failed", code=error.code, message=error.message)
                await asyncio.sleep(_RETRY_S)
            except Exception:  # noqa: BLE001 - without it nobody would ever see an event again
                _log.exception("psmp.tail_failed")
                await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> None:
        with database_errors():
            async with listening(self.url, f"{self.name}-psmp-watch") as (connection, wakeup):
                if self._place is None:
                    self._began = await connection.fetchval(_NOW)
                    self._place = self._began.partition(":")[0], 0
                self.hub.begun()
                while self.hub.is_watched:
                    wakeup.reset()
                    await self._rest(connection, wakeup)

    async def _rest(self, connection: Connection, wakeup: Wakeup) -> None:
        """Publish what is there, then wait for more."""
        assert self._place is not None  # noqa: S101 - set before anything is followed
        async with seeing_all(connection):
            rows = await connection.fetch(_NEXT, *self._place, self.batch, LARGEST_BATCH_BYTES, self._began)
            waiting = None if rows else await connection.fetchrow(WAITING, *self._place)
        if rows:
            self.hub.publish([relayed(row) for row in rows if not row["is_past"]])
            self._place = rows[-1]["transaction_id"], rows[-1]["position"]
            return
        await wakeup.wait(self.interval_s if waiting is None else _GATED_S)
