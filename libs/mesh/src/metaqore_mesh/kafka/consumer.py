"""A consumer in a group that outlives every death of its broker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.delivery import ConsumerLimits
from metaqore_mesh.kafka.membership import GroupPlan, Membership
from metaqore_mesh.kafka.metrics import CONNECTED, RESTARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import TopicPartition

    from metaqore_mesh.kafka.dead_letters import DeadLetters
    from metaqore_mesh.kafka.delivery import Handler
    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)


class BatchConsumer:
    """Consumes topics in a group, for as long as it is started, through every death of the broker.

    - An offset is committed, per partition, once every record below it is done or in the dead letters.
    - A batch that fails is tried again with backoff; nothing is committed past its first record that is not done.
    - A partition that holds too much is not fetched until there is room.
    - A revoked partition's batches may finish within a grace and are committed; what is late is cancelled, and its
      records come again, here or with their new owner.
    - `stop` drains: no more is fetched, what is in flight may finish within the deadline, its offsets are
      committed, the group is left.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topics: Sequence[str],
        group: str,
        handler: Handler,
        dead_letters: DeadLetters,
        limits: ConsumerLimits | None = None,
    ) -> None:
        self._plan = GroupPlan(settings, tuple(topics), group, handler, dead_letters, limits or ConsumerLimits())
        self._backoff = Backoff(most_s=5.0)
        self._stopping = asyncio.Event()
        self._drain_s = 0.0
        self._life: asyncio.Task[None] | None = None
        self._membership: Membership | None = None

    @property
    def connected(self) -> bool:
        """Whether this is a member of the group and has been told its partitions (perhaps none)."""
        return self._membership is not None and self._membership.assigned.is_set()

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member holds now."""
        return frozenset(self._membership.lanes) if self._membership else frozenset()

    async def start(self) -> None:
        """Begin to connect and consume; does not wait for a broker that is not there."""
        self._life = asyncio.create_task(self._live())

    async def wait_connected(self) -> None:
        """Return once this is a member with an assignment."""
        while not self.connected:  # noqa: ASYNC110 - memberships come and go; each has an event of its own
            await asyncio.sleep(0.02)

    async def stop(self, deadline_s: float = 10.0) -> None:
        """Drain and leave. What is not done by the deadline is cancelled and stays uncommitted."""
        self._drain_s = deadline_s
        self._stopping.set()
        if self._life:
            await self._life
            self._life = None

    async def _live(self) -> None:
        connected = CONNECTED.labels(client=self._plan.group)
        attempt = 0
        while not self._stopping.is_set():
            self._membership = membership = Membership(self._plan)
            try:
                await membership.run(self._stopping)
            except Exception as error:  # noqa: BLE001 - a consumer outlives whatever its client dies of
                log.warning("kafka.consumer_restarted", group=self._plan.group, error=type(error).__name__)
                RESTARTS.labels(client=self._plan.group).inc()
            finally:
                attempt = 1 if membership.assigned.is_set() else attempt + 1
                self._membership = None
                connected.set(0)
                await membership.close(self._drain_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._backoff.delay_s(attempt))
