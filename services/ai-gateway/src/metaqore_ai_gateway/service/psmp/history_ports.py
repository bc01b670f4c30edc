"""What looking back needs of a store, and what it may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from metaqore_ai_gateway.service.psmp.asked import Happened, Ref, Repeatable, State
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Differences, Page, Point


class History(Protocol):
    """The past of projects. It never changes: what is read of a version once is read of it for ever.

    Everything raises `project_missing`, and for a point that is not there `version_missing` or `checkpoint_missing`.
    """

    async def version_at(self, organization: str, project: str, point: Point) -> int:
        """The version of the project at this point; a time that is still to come is now."""
        ...

    async def newest(self, organization: str, project: str) -> int:
        """The version of the project now."""
        ...

    async def page(self, organization: str, project: str, version: int, *, after: str = "", size: int = 100) -> Page:
        """Artifacts as they were at that version, by name, from behind `after` on."""
        ...

    async def state(self, organization: str, project: str, version: int, ref: Ref) -> State | None:
        """An aggregate as it was at that version, None where it did not exist."""
        ...

    async def differences(
        self, organization: str, project: str, low: int, high: int, *, after: str = "", size: int = 100
    ) -> Differences:
        """The artifacts to which anything happened after `low` and up to `high`, as they were at both."""
        ...

    async def events(self, organization: str, project: str, *, after: int = 0, size: int = 100) -> Sequence[Happened]:
        """What happened after that version, in order."""
        ...


class Checkpoints(Protocol):
    """Names for versions. A name stands for one version for ever."""

    async def take(
        self,
        organization: str,
        project: str,
        name: str,
        *,
        by: str,
        at_us: int,
        description: str = "",
        at_version: int | None = None,
        dry_run: bool = False,
        repeatable: Repeatable | None = None,
        receipt_token: str = "",
    ) -> Checkpoint:
        """Name the version of now, or an earlier one; it takes as long as folding the whole state of then.

        A dry run tells what it would be, and takes nothing. With a `repeatable`, its answer is kept in the same
        transaction: no events, and the receipt.

        Raises `checkpoint_exists`, `project_missing`, `version_missing`.
        """
        ...

    async def find(self, organization: str, checkpoint: str) -> tuple[str, Checkpoint] | None:
        """The project of the checkpoint with this id, and the checkpoint."""
        ...

    async def page(
        self, organization: str, project: str, *, before: tuple[int, str] | None = None, size: int = 100
    ) -> Sequence[Checkpoint]:
        """Those before this version and name, the newest first."""
        ...
