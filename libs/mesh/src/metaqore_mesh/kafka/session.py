"""One life of a client, from connecting to closing, and its successors."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.delivery import ConsumerLimits, Handler, Lane
from metaqore_mesh.kafka.metrics import CONNECTED, RESTARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metaqore_mesh.kafka.dead_letters import DeadLetters
    from metaqore_mesh.kafka.fetching import FetchingConsumer, Subscription
    from metaqore_mesh.kafka.records import KafkaRecord
    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is consumed, under which name, and what becomes of it."""

    settings: KafkaSettings
    name: str
    topics: tuple[str, ...]
    handler: Handler
    dead_letters: DeadLetters
    limits: ConsumerLimits


class Session(ABC):
    """A client that fetches into lanes. It ends when it is told to, or by raising what broke it."""

    subscription: Subscription | None = None

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lanes: dict[TopicPartition, Lane] = {}
        self.ready = asyncio.Event()
        self.progress = asyncio.Event()
        self.closed = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watching: asyncio.Task[None] | None = None

    @abstractmethod
    async def connect(self) -> None:
        """Start the subscription."""

    @abstractmethod
    async def watch(self) -> None:
        """What runs beside fetching, until it raises what should end this session."""

    @abstractmethod
    async def release(self, grace_s: float) -> None:
        """Close all lanes within `grace_s` and keep how far they came."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Connect and consume until `stopping` is set. Raises what breaks the client."""
        stop: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
        start: asyncio.Future[Any] = asyncio.create_task(self.connect())
        try:
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                self._watching = asyncio.create_task(self.watch())
                await asyncio.wait({self._broken, self._watching, stop}, return_when=asyncio.FIRST_COMPLETED)
                if self._watching.done():
                    self._watching.result()
                if self._broken.done():
                    self._broken.result()
        finally:
            start.cancel()
            stop.cancel()
            await asyncio.wait({start, stop})

    async def close(self, grace_s: float) -> None:
        """Fetch no more, drain within `grace_s`, hang up."""
        self.closed = True
        await self.release(grace_s)
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self.subscription:
            await self.subscription.stop()
        self._broken.cancel()

    @property
    def consumer(self) -> FetchingConsumer:
        """The client, once connected."""
        if not self.subscription:
            raise RuntimeError("connect first")
        return self.subscription.consumer

    def room(self) -> Sequence[TopicPartition] | None:
        """See `Intake`."""
        if self.closed:
            return ()
        free = [partition for partition, lane in self.lanes.items() if not lane.full]
        return None if len(free) == len(self.lanes) else free

    def broken(self, error: BaseException) -> None:
        """See `Intake`."""
        if not self._broken.done():
            self._broken.set_exception(error)

    def new_lane(self, partition: TopicPartition) -> Lane:
        """An empty lane for `partition`, open at once."""
        plan = self.plan
        return Lane(
            topic=partition.topic,
            consumer=plan.name,
            handler=plan.handler,
            dead_letters=plan.dead_letters,
            limits=plan.limits,
            progressed=self.progress.set,
        )


def by_partition(records: Sequence[KafkaRecord]) -> dict[TopicPartition, list[KafkaRecord]]:
    """The records of each partition, in order."""
    batches: dict[TopicPartition, list[KafkaRecord]] = {}
    for record in records:
        batches.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    return batches


class Sessions:
    """One session after the other, with backoff, until stopped."""

    def __init__(self, name: str, make: Callable[[], Session], *, grace_s: float) -> None:
        self._name = name
        self._make = make
        self._grace_s = grace_s
        self._backoff = Backoff(most_s=5.0)
        self._stopping = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self.current: Session | None = None

    @property
    def ready(self) -> bool:
        """Whether the session now running consumes."""
        return self.current is not None and self.current.ready.is_set()

    async def wait_ready(self) -> None:
        """Return once a session consumes."""
        while not self.ready:  # noqa: ASYNC110 - sessions come and go; each has an event of its own
            await asyncio.sleep(0.02)

    async def start(self) -> None:
        """Begin; does not wait for a broker that is not there."""
        self._life = asyncio.create_task(self._live())

    async def stop(self, deadline_s: float) -> None:
        """Drain the session within `deadline_s` and begin no other."""
        self._grace_s = deadline_s
        self._stopping.set()
        if self._life:
            await self._life
            self._life = None

    async def _live(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            self.current = session = self._make()
            try:
                await session.run(self._stopping)
            except Exception as error:  # noqa: BLE001 - a consumer outlives whatever its client dies of
                log.warning("kafka.consumer_restarted", consumer=self._name, error=type(error).__name__)
                RESTARTS.labels(client=self._name).inc()
            attempt = 1 if session.ready.is_set() else attempt + 1
            session.ready.clear()
            CONNECTED.labels(client=self._name).set(0)
            await session.close(self._grace_s)
            self.current = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.delay_s(attempt)):
                    await self._stopping.wait()
