"""What commands were answered, for repeats under the same idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.service.psmp.asked import Outcome
from metaqore_governance_core.errors import MetaQoreError


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer: its receipt, and either what came of the command or why it was refused."""

    digest: bytes
    receipt_token: str
    result: Outcome | MetaQoreError


class Answers(Protocol):
    """The first answers of the last 24 hours."""

    async def find(self, organization: str, project: str, key: str) -> KeptAnswer | None:
        """The answer that the command with this key got in the project."""
        ...
