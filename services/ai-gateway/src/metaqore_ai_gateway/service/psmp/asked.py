"""What is asked of a project, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands, project, work
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.event_codec import Event

State = Artifact | project.Project | work.Work

NEWEST: Final = 0
"""In place of a version's number: the newest, such as one that the same submission drafts."""


class Kind(StrEnum):
    """The aggregates: what has a history of its own."""

    PROJECT = "project"
    ARTIFACT = "artifact"
    TASK = "task"

    __hash__ = str.__hash__  # Enum's own is written in Python, and aggregates are looked up all the time


class Ref(NamedTuple):
    """An aggregate of a project: an artifact by its name, a task by its id, the project by its own id."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One command. The store finds its conflicts and what is open; `expected` is the aggregate's version, if given.

    `body` is the text of a draft that brings it, where that is yet to be written.
    """

    of: Ref
    command: artifact_commands.Command | project.Command | work.Command
    expected: int | None = None
    body: NewBody | None = None


@dataclass(frozen=True, slots=True)
class Repeatable:
    """An idempotency key, and the digest of the request that it stands for."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """Commands for one project that happen together or not at all. `id` names it in the events that it causes.

    `expected` is the version that the project must be at. `dry_run` tells what would happen, and nothing does.
    `over_proposals` is for a restore: what it proposes is judged against what is active alone, and proposals that clash
    with it are blocked instead. `refuse_blocked` refuses all where something that it offers would be blocked. `cascade`
    ends what is open in a project before the project.
    `receipt_token` is the signed receipt of its decision; a repeat is answered with that of the first. `refused` is why
    nothing of it happens, where that is known before: it is kept for repeats.
    """

    id: str
    organization: str
    project: str
    asked: tuple[Asked, ...]
    repeatable: Repeatable | None = None
    dry_run: bool = False
    over_proposals: bool = False
    refuse_blocked: bool = False
    cascade: bool = False
    expected: int | None = None
    receipt_token: str = ""
    refused: MetaQoreError | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """An event in its places: `version` is the project's, `aggregate_version` that of what it happened to."""

    version: int
    of: Ref
    aggregate_version: int
    event: Event


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a submission: the project's version after it, its events, and each state that they changed.

    `receipt_token` is that of the submission that did it: of the first, where this answers a repeat.
    """

    version: int
    happened: tuple[Happened, ...]
    states: Mapping[Ref, State] = field(default_factory=dict)
    receipt_token: str = ""
