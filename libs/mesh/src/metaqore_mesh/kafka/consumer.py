"""A consumer in a group that outlives every death of its broker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from metaqore_mesh.kafka.delivery import ConsumerLimits
from metaqore_mesh.kafka.membership import Membership
from metaqore_mesh.kafka.session import Plan, Sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import TopicPartition

    from metaqore_mesh.kafka.dead_letters import DeadLetters
    from metaqore_mesh.kafka.delivery import Handler
    from metaqore_mesh.settings import KafkaSettings


class BatchConsumer:
    """Consumes topics in a group, for as long as it is started.

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
        plan = Plan(settings, group, tuple(topics), handler, dead_letters, limits or ConsumerLimits())
        self._sessions = Sessions(group, partial(Membership, plan), grace_s=plan.limits.revoke_grace_s)

    @property
    def connected(self) -> bool:
        """Whether this is a member of the group and has been told its partitions (perhaps none)."""
        return self._sessions.ready

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member holds now."""
        session = self._sessions.current
        return frozenset(session.lanes) if session else frozenset()

    @property
    def held_records(self) -> int:
        """How many records are fetched and not done."""
        session = self._sessions.current
        return sum(lane.held_records for lane in session.lanes.values()) if session else 0

    async def start(self) -> None:
        """Begin to connect and consume; does not wait for a broker that is not there."""
        await self._sessions.start()

    async def wait_connected(self) -> None:
        """Return once this is a member with an assignment."""
        await self._sessions.wait_ready()

    async def stop(self, deadline_s: float = 10.0) -> None:
        """Drain and leave. What is not done by the deadline is cancelled and stays uncommitted."""
        await self._sessions.stop(deadline_s)
