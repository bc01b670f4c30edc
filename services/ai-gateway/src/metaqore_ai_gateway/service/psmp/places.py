"""Where in its organization something is: the ids that commands name, as projects and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.points import Checkpoint
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict


@dataclass(frozen=True, slots=True)
class Place:
    """An aggregate and the project that it is in."""

    project: str
    ref: Ref


class Places(Protocol):
    """Finds what a command names, in the caller's organization and in no other. None where there is no such thing."""

    async def place(self, organization: str, kind: Kind, id_: str) -> Place | None:
        """Where the artifact, task or project with this id is. It is there for ever."""
        ...

    async def conflict_in(self, organization: str, conflict: str, of: Place, number: int) -> FoundConflict | None:
        """The conflict, if this version of the artifact stands in it."""
        ...

    async def checkpoint_at(self, organization: str, checkpoint: str) -> tuple[str, Checkpoint] | None:
        """The project of a checkpoint, and the checkpoint."""
        ...
