"""What PSMP needs of a store, and what it may rely on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from metaqore_ai_gateway.service.psmp.asked import Happened, Outcome, Ref, Repeatable
from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Rows, Standing
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey


@dataclass(frozen=True, slots=True)
class Answered:
    """What a submission led to: events of the project from the first version to the last, or a refusal."""

    digest: bytes
    first: int
    last: int
    refusal: MetaQoreError | None = None
    receipt_token: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with the id of the submission that caused it."""

    happened: Happened
    command: str


@dataclass(frozen=True, slots=True)
class Changes:
    """All that a transaction writes. In the index `removed` goes first; `placed` is what each holder has then.

    `bodies` are the texts that come with it, by their digests; a text that is kept already is replaced. Those that its
    events name are used from then on, and those in `erased` have no key any more.
    """

    events: Sequence[Recorded]
    aggregates: Mapping[Ref, Standing]
    removed: Sequence[tuple[Holder, Rows]]
    placed: Mapping[Holder, Rows]
    answers: Mapping[str, Answered]
    bodies: Mapping[str, NewBody] = field(default_factory=dict)
    erased: Collection[str] = ()


class ProjectTransaction(Protocol):
    """A project under its lock: nobody else changes it until the end, and what is read here is how it is."""

    @property
    def version(self) -> int:
        """The number of its events; 0 where it does not exist."""
        ...

    async def answers(self, repeatables: Collection[Repeatable]) -> Mapping[str, Answered]:
        """What came of the submissions with these keys, where there were any."""
        ...

    async def outcome(self, answered: Answered) -> Outcome:
        """The outcome of then, with the states of then."""
        ...

    async def aggregates(self, refs: Collection[Ref]) -> Mapping[Ref, Standing]:
        """Those of these that exist."""
        ...

    async def sample(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Under each key, of those that declare the same, two of different parties where there are two.

        It tells whether anything clashes, however many declare the same; in the order of parties.
        """
        ...

    async def complete(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Everything under each key, in the order of parties."""
        ...

    async def stopped(self, parties: Collection[str] | None) -> Sequence[Holder]:
        """The proposals in open conflicts with one of `parties`, or with anybody; the longest waiting first."""
        ...

    async def open_items(self) -> Sequence[Ref]:
        """What in the project is not final."""
        ...

    async def bodies(self, digests: Collection[str]) -> AbstractSet[str]:
        """Those of these whose keys live; they live on until the end."""
        ...

    async def write(self, changes: Changes) -> None:
        """Write everything; it exists once the block ends, all of it or nothing."""
        ...


class ProjectStore(Protocol):
    """Where projects are kept.

    - A transaction sees and writes rows of its organization alone, whatever the statement.
    - Versions of a project have no gap; at most one version of an artifact is active.
    - `open` ends with a commit, or with an exception and nothing changed. `database_conflict` is to be tried again.
    """

    def open(self, organization: str, project: str) -> AbstractAsyncContextManager[ProjectTransaction]:
        """The project, locked until the block ends; it waits for who holds it."""
        ...
