"""The project of everything that names none: made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref, Submission
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.relayed import SYSTEM_CAUSE
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.project import Create


@dataclass(frozen=True, slots=True)
class DefaultProject:
    """Makes an organization's default project, strict and under the strictest policy."""

    queues: ProjectQueues
    new_id: Callable[[], str]
    now_us: Callable[[], int]
    _made: set[str] = field(default_factory=set)

    async def ensure(self, organization: str) -> None:
        """Return once it is there."""
        if organization in self._made:
            return
        create = Create(SYSTEM, self.now_us(), DEFAULT_PROJECT, organization, DEFAULT_PROJECT)
        asked = Asked(Ref(Kind.PROJECT, DEFAULT_PROJECT), create)
        try:
            await self.queues.submit(
                Submission(f"{SYSTEM_CAUSE}{self.new_id()}", organization, DEFAULT_PROJECT, (asked,))
            )
        except MetaQoreError as error:
            if error.code not in {"project_exists", "project_archived"}:
                raise
        self._made.add(organization)
