"""One membership of a consumer group, from joining to leaving: its rebalances and its commits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.fetching import Member, Subscription
from metaqore_mesh.kafka.metrics import CONNECTED
from metaqore_mesh.kafka.session import Plan, Session, by_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import TopicPartition

    from metaqore_mesh.kafka.records import KafkaRecord

log = structlog.get_logger(__name__)

_COMMIT_TIMEOUT_S = 3.0
_RETRY = Backoff(most_s=1.0)
_MOVED_ON = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class Membership(Session, ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """A session in which the group says which partitions are ours.

    aiokafka rebalances behind the back of whoever fetches, and takes everything away before it gives anything new.
    So each assignment is a generation: records fetched in an older one are dropped, and come again from what is
    committed. Put behind records of the new one they would let offsets be committed past records never handled.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._generation = 0
        self._fetched_in = 0
        self._member = Member(-1, "")
        self.subscription = self._subscribed = Subscription(
            plan.settings,
            self,
            client_id=plan.name,
            topics=plan.topics,
            group=plan.name,
            listener=self,
            batch_records=plan.limits.batch_records,
        )

    async def connect(self) -> None:
        """See `Session`. Returns once the group has told the first assignment."""
        await self._subscribed.start()

    def mark(self) -> None:
        """See `Intake`."""
        self._fetched_in = self._generation

    def take(self, records: Sequence[KafkaRecord]) -> None:
        """See `Intake`."""
        if self.closed or self._fetched_in != self._generation:
            return
        for partition, batch in by_partition(records).items():
            self.lanes[partition].put(batch)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish what is in flight within the grace and commit it, while the old assignment still holds."""
        self._generation += 1
        self.ready.clear()
        await self.release(self.plan.limits.revoke_grace_s)
        log.info("kafka.partitions_revoked", group=self.plan.name, partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Open a lane for each partition, unless the session ends: then nobody would close them."""
        if self.closed:
            return
        self._member = self.consumer.member
        self.lanes = {partition: self.new_lane(partition) for partition in assigned}
        self.ready.set()
        CONNECTED.labels(client=self.plan.name).set(1)
        log.info("kafka.partitions_assigned", group=self.plan.name, partitions=len(assigned))

    async def release(self, grace_s: float) -> None:
        """See `Session`."""
        await asyncio.gather(*(lane.close(grace_s) for lane in self.lanes.values()))
        await self._try_commit()
        self.lanes = {}

    async def watch(self) -> None:
        """Commit whenever something is done, at most once in an interval."""
        failures = 0
        while True:
            await self.progress.wait()
            self.progress.clear()
            failures = 0 if await self._try_commit() else failures + 1
            if failures:
                self.progress.set()
                await asyncio.sleep(_RETRY.delay_s(failures))
            await asyncio.sleep(self.plan.limits.commit_interval_s)

    async def _try_commit(self) -> bool:
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await self._commit()
        except (KafkaError, OSError) as error:
            log.warning("kafka.commit_failed", group=self.plan.name, error=type(error).__name__)
            return False
        return True

    async def _commit(self) -> None:
        """Commit the floor of every partition held: explicit offsets only (aiokafka issues 929 and 933)."""
        lanes = self.lanes
        floors = {
            partition: lane.offsets.floor
            for partition, lane in lanes.items()
            if lane.offsets.floor is not None and lane.offsets.floor != lane.committed
        }
        if not floors:
            return
        try:
            await self.consumer.commit_as(self._member, floors)
        except _MOVED_ON:
            self.ready.clear()
            return  # their next owner gets them again
        for partition, floor in floors.items():
            lanes[partition].committed = floor
