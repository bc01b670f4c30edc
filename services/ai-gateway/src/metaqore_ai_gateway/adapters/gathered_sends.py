"""Records for one topic that leave together, which makes each much cheaper."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka.errors import BrokerUnavailable
from metaqore_mesh.kafka.records import Headers, Outgoing

GATHER_S: Final = 0.01
"""What comes within this time leaves together."""


class GatheringPublisher(Protocol):
    """`Publisher` of `metaqore_mesh.kafka`."""

    async def publish_all(self, topic: str, records: Sequence[Outgoing], /) -> Sequence[MetaQoreError | None]:
        """Send records and wait for their acks. For each: None, or why it was not acked."""
        ...

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, /) -> object:
        """Send one record and wait for its ack, trying again for a while."""
        ...


class GatheredSends:
    """Sends records in the order in which they are given, as long as none fails."""

    def __init__(self, publisher: GatheringPublisher, topic: str, *, gather_s: float = GATHER_S) -> None:
        self._publisher = publisher
        self._topic = topic
        self._gather_s = gather_s
        self._waiting: list[tuple[Outgoing, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending: asyncio.Task[None] | None = None

    async def send(self, key: bytes, value: bytes, headers: Headers) -> None:
        """Return once the broker has acked it; what failed among others is tried by itself.

        Raises `BrokerUnavailable`, `RecordTooLarge`.
        """
        try:
            await self._gathered(key, value, headers)
        except BrokerUnavailable:
            await self._publisher.publish(self._topic, key, value, headers)

    def _gathered(self, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[None]:
        """A future of the ack. What comes while others are on their way leaves together, after them."""
        # Kept: to ask for the running loop is a system call (getpid) before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        acked: asyncio.Future[None] = loop.create_future()
        self._waiting.append(((key, value, headers), acked))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return acked

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._gather_s)
                going, self._waiting = self._waiting, []
                failures: Sequence[Exception | None]
                try:
                    failures = await self._publisher.publish_all(self._topic, [record for record, _ in going])
                except Exception as error:  # noqa: BLE001  it reaches whoever waits for an ack
                    failures = [error] * len(going)
                for (_, acked), failure in zip(going, failures, strict=True):
                    _settle(acked, failure)
        finally:
            self._sending = None


def _settle(acked: asyncio.Future[None], error: Exception | None) -> None:
    if acked.done():
        return
    if error is None:
        acked.set_result(None)
    else:
        acked.set_exception(error)
