"""The port of the rows in which bodies are kept: what storing once and collecting orphans need to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from metaqore_governance_core.records import Commitment
from metaqore_mesh.objects.body import Body


class KeptBodies(Protocol):
    """The bodies whose keys live. Both look at what is committed, never at a replica that may be behind."""

    async def find(self, organization: str, text: Commitment) -> Body | None:
        """A body of the organization with this text whose key lives, where a put may use it again."""
        ...

    async def living(self, names: Sequence[str]) -> AbstractSet[str]:
        """Those of `names` that are the object of a body whose key lives, in any organization."""
        ...
