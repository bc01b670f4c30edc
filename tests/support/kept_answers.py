"""Answers that are kept for repeats with the same idempotency key, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from metaqore_ai_gateway.service.idempotency import body_differs, in_flight
from metaqore_ai_gateway.service.ports import StoredAnswer


@dataclass
class MemoryIdempotency:
    """The port `Idempotency`; nothing is ever forgotten."""

    held: dict[tuple[str, str], tuple[bytes, StoredAnswer | None]] = field(default_factory=dict)

    async def begin(self, organization: str, key: str, digest: bytes) -> StoredAnswer | None:
        """Take the key, or give what it was answered."""
        found = self.held.get((organization, key))
        if found is None:
            self.held[organization, key] = (digest, None)
            return None
        if found[0] != digest:
            raise body_differs()
        if found[1] is None:
            raise in_flight()
        return found[1]

    async def finish(self, organization: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer."""
        self.held[organization, key] = (self.held[organization, key][0], answer)

    async def release(self, organization: str, key: str) -> None:
        """Let the key be taken again."""
        del self.held[organization, key]
