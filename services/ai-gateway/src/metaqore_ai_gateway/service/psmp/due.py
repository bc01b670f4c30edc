"""What time alone has brought to its end, and nobody has acted on yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from metaqore_ai_gateway.service.psmp.asked import Ref


@dataclass(frozen=True, slots=True)
class Due:
    """A proposal whose time to live is over (`lapse`, with its number), or a task whose lease is (`lease`).

    `at_us` is when that was, in microseconds since the Unix epoch.
    """

    organization: str
    project: str
    of: Ref
    number: int | None
    what: Literal["lapse", "lease"]
    at_us: int


class DueItems(Protocol):
    """The ends that have come, of every organization."""

    async def due(self, now_us: int, limit: int = 100) -> Sequence[Due]:
        """Those that were over at `now_us`, at most `limit` of each sort, the longest over first."""
        ...
