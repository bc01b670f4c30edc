"""Reading all partitions of topics without a group, and noticing when the broker has lost what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from metaqore_mesh.kafka.delivery import ConsumerLimits
from metaqore_mesh.kafka.reading import Bookmarks, Reading
from metaqore_mesh.kafka.session import Plan, Sessions
from metaqore_mesh.kafka.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaqore_mesh.kafka.dead_letters import DeadLetters
    from metaqore_mesh.kafka.delivery import Handler
    from metaqore_mesh.kafka.probe import BrokerProbe
    from metaqore_mesh.settings import KafkaSettings

Start = Literal["beginning", "latest"] | Mapping[tuple[str, int], int]
"""Where to begin: everything there is, only what comes, or at an offset for each (topic, partition)."""


class TopicReader:
    """Reads every partition of its topics, alone, for as long as it is started.

    - It commits nothing: who reads from "beginning" sees everything again after a restart, so effects must be
      idempotent. Batches, retries and dead letters are as with `BatchConsumer`.
    - New partitions and topics are found by themselves, and read from their beginning.
    - After every lost connection it looks whether the last record it handled is still there. If not, the broker has
      lost its memory, and it reads from the beginning again.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topics: Sequence[str],
        name: str,
        handler: Handler,
        dead_letters: DeadLetters,
        probe: BrokerProbe,
        start: Start = "beginning",
        limits: ConsumerLimits | None = None,
    ) -> None:
        plan = Plan(settings, name, tuple(topics), handler, dead_letters, limits or ConsumerLimits())
        self._bookmarks = bookmarks = Bookmarks(start)
        known = Topics(settings, client_id=name)
        self._sessions = Sessions(
            name, lambda: Reading(plan, bookmarks, probe, known), grace_s=plan.limits.revoke_grace_s
        )

    @property
    def connected(self) -> bool:
        """Whether it reads."""
        return self._sessions.ready

    async def start(self) -> None:
        """Begin to connect and read; does not wait for a broker or a topic that is not there."""
        await self._sessions.start()

    async def wait_connected(self) -> None:
        """Return once it reads: what is published from now on is seen, also from "latest"."""
        await self._sessions.wait_ready()

    async def stop(self, deadline_s: float = 10.0) -> None:
        """Finish what is in flight within the deadline and hang up."""
        await self._sessions.stop(deadline_s)
