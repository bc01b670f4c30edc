"""The feed of task events: the spool is its outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from metaqore_ai_gateway.adapters.lifecycle_events import lifecycle_events
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE
from metaqore_mesh.kafka.errors import BrokerUnavailable
from metaqore_mesh.kafka.records import Headers
from metaqore_mesh.spool.groups import StoredGroup

ANNOUNCED: Final = "announced"
"""The holder that keeps the spool's groups until their events are sent."""


class Send(Protocol):
    """`Publisher.send` of `metaqore_mesh.kafka`."""

    async def __call__(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, /
    ) -> asyncio.Future[Any]:
        """Hand one record over, in order; the future is done once the broker acked."""
        ...


@dataclass(frozen=True, slots=True)
class LifecycleFeed:
    """Sends the events of groups, keyed by task. After a failure or a crash they may come again, in the same order."""

    send: Send

    async def __call__(self, groups: Sequence[StoredGroup]) -> None:
        """Return once the broker has acked every event. Raises `BrokerUnavailable`."""
        acks: list[asyncio.Future[Any]] = []
        refused: BrokerUnavailable | None = None
        try:
            for group in groups:
                for key, value, headers in lifecycle_events(group.value):
                    acks.append(await self.send(TASK_LIFECYCLE, key, value, headers))
        except BrokerUnavailable as error:
            refused = error
        for result in await asyncio.gather(*acks, return_exceptions=True):
            if isinstance(result, asyncio.CancelledError):
                refused = BrokerUnavailable("The producer was replaced under an event.")
            elif isinstance(result, BrokerUnavailable):
                refused = result
            elif isinstance(result, BaseException):
                raise result
        if refused is not None:
            raise refused
