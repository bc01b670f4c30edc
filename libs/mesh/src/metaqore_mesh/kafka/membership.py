"""One membership of a consumer group, from joining to leaving: intake, rebalances, commits."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from metaqore_mesh.kafka.delivery import ConsumerLimits, Handler, Lane
from metaqore_mesh.kafka.fetching import Subscription
from metaqore_mesh.kafka.metrics import CONNECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaqore_mesh.kafka.dead_letters import DeadLetters
    from metaqore_mesh.kafka.records import KafkaRecord
    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)

_COMMIT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What a member of a group consumes, and what becomes of it."""

    settings: KafkaSettings
    topics: tuple[str, ...]
    group: str
    handler: Handler
    dead_letters: DeadLetters
    limits: ConsumerLimits


class Membership(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """One membership of the group, from joining to leaving."""

    def __init__(self, plan: GroupPlan) -> None:
        self.lanes: dict[TopicPartition, Lane] = {}
        self.assigned = asyncio.Event()
        self._plan = plan
        self._generation = 0
        self._fetched_in = 0
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._progress = asyncio.Event()
        self._committing: asyncio.Task[None] | None = None
        self._closed = False
        self._subscription = Subscription(
            plan.settings,
            self,
            client_id=plan.group,
            topics=plan.topics,
            group=plan.group,
            listener=self,
            batch_records=self._plan.limits.batch_records,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set; raises what breaks the client."""
        stop: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
        start: asyncio.Future[Any] = asyncio.create_task(self._subscription.start())
        try:
            await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                self._committing = asyncio.create_task(self._commit_always())
                await asyncio.wait([self._broken, self._committing, stop], return_when=asyncio.FIRST_COMPLETED)
                if self._committing.done():
                    self._committing.result()
                if self._broken.done():
                    self._broken.result()
        finally:
            for task in (start, stop):
                task.cancel()
            await asyncio.wait([start, stop])

    async def close(self, grace_s: float) -> None:
        """Drain within `grace_s`, commit, leave the group."""
        self._closed = True
        await self._release(grace_s)
        if self._committing:
            self._committing.cancel()
            await asyncio.wait([self._committing])
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await asyncio.wait_for(self._subscription.stop(), _COMMIT_TIMEOUT_S)
        if not self._broken.done():
            self._broken.cancel()

    # The intake.

    def room(self) -> Sequence[TopicPartition] | None:
        if self._closed:
            return ()
        free = [partition for partition, lane in self.lanes.items() if not lane.full]
        return None if len(free) == len(self.lanes) else free

    def mark(self) -> None:
        self._fetched_in = self._generation

    def take(self, records: Sequence[KafkaRecord]) -> None:
        if self._closed or self._fetched_in != self._generation:
            return  # of an assignment that is gone: they come again from what is committed
        of_partition: dict[TopicPartition, list[KafkaRecord]] = {}
        for record in records:
            of_partition.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        for partition, batch in of_partition.items():
            self.lanes[partition].put(batch)

    def broken(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_exception(error)

    # Rebalances. aiokafka takes everything away before it gives anything new.

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._generation += 1
        self.assigned.clear()
        await self._release(self._plan.limits.revoke_grace_s)
        log.info("kafka.partitions_revoked", group=self._plan.group, partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        plan = self._plan
        self.lanes = {
            partition: Lane(
                topic=partition.topic,
                consumer=plan.group,
                handler=plan.handler,
                dead_letters=plan.dead_letters,
                limits=plan.limits,
                progressed=self._progress.set,
            )
            for partition in assigned
        }
        self.assigned.set()
        CONNECTED.labels(client=plan.group).set(1)
        log.info("kafka.partitions_assigned", group=plan.group, partitions=len(assigned))

    async def _release(self, grace_s: float) -> None:
        lanes = self.lanes
        await asyncio.gather(*(lane.close(grace_s) for lane in lanes.values()))
        try:
            await asyncio.wait_for(self._commit(), _COMMIT_TIMEOUT_S)
        except (KafkaError, OSError) as error:
            log.warning("kafka.commit_failed", group=self._plan.group, error=type(error).__name__)
        self.lanes = {}

    # Commits.

    async def _commit_always(self) -> None:
        while True:
            await self._progress.wait()
            self._progress.clear()
            try:
                await asyncio.wait_for(self._commit(), _COMMIT_TIMEOUT_S)
            except (KafkaError, OSError) as error:
                log.warning("kafka.commit_failed", group=self._plan.group, error=type(error).__name__)
                self._progress.set()
            await asyncio.sleep(self._plan.limits.commit_interval_s)

    async def _commit(self) -> None:
        """Commit the floor of every partition held; explicit offsets only (aiokafka issues 929 and 933)."""
        floors = {
            partition: lane.offsets.floor
            for partition, lane in self.lanes.items()
            if lane.offsets.floor is not None and lane.offsets.floor != lane.committed
        }
        if not floors:
            return
        lanes = self.lanes
        try:
            await self._subscription.consumer.commit(floors)
        except (CommitFailedError, IllegalStateError):
            return  # the group has moved on: their new owner, or our next assignment, gets them again
        for partition, floor in floors.items():
            lanes[partition].committed = floor
