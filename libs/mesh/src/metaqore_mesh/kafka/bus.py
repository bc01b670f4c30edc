"""The bus of one service: everything it has to do with the broker, started and stopped together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from metaqore_mesh.kafka.calm import calm_aiokafka
from metaqore_mesh.kafka.consumer import BatchConsumer
from metaqore_mesh.kafka.dead_letters import DeadLetters, dead_letter_spec
from metaqore_mesh.kafka.probe import BrokerProbe
from metaqore_mesh.kafka.publisher import Publisher
from metaqore_mesh.kafka.reader import TopicReader
from metaqore_mesh.kafka.topics import Topics, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaqore_mesh.kafka.delivery import ConsumerLimits, Handler
    from metaqore_mesh.kafka.reader import Start
    from metaqore_mesh.settings import KafkaSettings

_log: Final = structlog.get_logger(__name__)


class Bus:
    """Publisher, consumers, readers and topics of one service over one broker.

    Declare topics and consumers first, then `start`: it returns at once, with or without a broker. The topics are
    made whenever the broker comes (back), before anything is published to it. `connected` is what readiness asks.
    """

    def __init__(self, settings: KafkaSettings, *, client_id: str, topics: Sequence[TopicSpec] = ()) -> None:
        self._settings = settings
        self._declared = {spec.name: spec for spec in topics}
        self._members: list[BatchConsumer | TopicReader] = []
        self.topics = Topics(settings, client_id=client_id)
        self.probe = BrokerProbe(settings, client_id=client_id, prepare=self._prepare)
        self.publisher = Publisher(settings, client_id=client_id, probe=self.probe)
        self.dead_letters = DeadLetters(self.publisher)

    @property
    def connected(self) -> bool:
        """Whether the broker answers, and has our topics."""
        return self.probe.connected

    def unready(self) -> str | None:
        """Why the bus cannot be used now, None where it can: a readiness check."""
        return None if self.connected else f"no connection to the broker at {self._settings.bootstrap_servers}"

    def consume(
        self, topics: Sequence[str], *, group: str, handler: Handler, limits: ConsumerLimits | None = None
    ) -> BatchConsumer:
        """A consumer in `group`, and its dead letter topics. It starts and stops with the bus."""
        self._declare_dead_letters(topics, group)
        consumer = BatchConsumer(
            self._settings, topics=topics, group=group, handler=handler, dead_letters=self.dead_letters, limits=limits
        )
        self._members.append(consumer)
        return consumer

    def read(
        self,
        topics: Sequence[str],
        *,
        name: str,
        handler: Handler,
        start: Start = "beginning",
        limits: ConsumerLimits | None = None,
    ) -> TopicReader:
        """A reader of all partitions, and its dead letter topics. It starts and stops with the bus."""
        self._declare_dead_letters(topics, name)
        reader = TopicReader(
            self._settings,
            topics=topics,
            name=name,
            handler=handler,
            dead_letters=self.dead_letters,
            probe=self.probe,
            start=start,
            limits=limits,
        )
        self._members.append(reader)
        return reader

    async def start(self) -> None:
        """Begin to connect, publish and consume."""
        if self._settings.embedded:
            _log.warning("kafka.embedded_broker", consequence="for development: its topics are gone when it stops")
        calm_aiokafka()
        await self.probe.start()
        await self.publisher.start()
        for member in self._members:
            await member.start()

    async def stop(self, deadline_s: float = 10.0) -> None:
        """Drain what is consumed within the deadline, then send what is left to publish, then hang up."""
        await asyncio.gather(*(member.stop(deadline_s) for member in self._members))
        await self.publisher.stop()
        await self.probe.stop()

    def _declare_dead_letters(self, topics: Sequence[str], consumer: str) -> None:
        for topic in topics:
            spec = dead_letter_spec(topic, consumer)
            self._declared.setdefault(spec.name, spec)

    async def _prepare(self) -> None:
        await self.topics.ensure(list(self._declared.values()))
