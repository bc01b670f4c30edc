"""What happened to an artifact. These are all that is stored."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_governance_core.psmp.artifact_state import Content
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict


@dataclass(frozen=True, slots=True)
class _Event:
    """Who did it, and when, in microseconds since the Unix epoch."""

    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class _OfVersion(_Event):
    version: int


@dataclass(frozen=True, slots=True)
class Drafted(_OfVersion):
    """The version exists. `text_by` are the authors of the text that it carries on, where `by` brought it again."""

    organization: str
    project: str
    name: str
    content: Content
    text_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Amended(_OfVersion):
    """The draft declares this now."""

    content: Content


@dataclass(frozen=True, slots=True)
class Described(_Event):
    """The artifact's description and labels are these."""

    description: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Proposed(_OfVersion):
    """The version is offered; it lapses at `expires_us`."""

    expires_us: int | None


@dataclass(frozen=True, slots=True)
class ConflictFound(_OfVersion):
    """The version stands in this conflict."""

    conflict: Conflict


@dataclass(frozen=True, slots=True)
class ResolutionChosen(_OfVersion):
    """Somebody said how the conflict is to end; it is open until it is gone."""

    conflict: str
    choice: Choice
    why: str


@dataclass(frozen=True, slots=True)
class WarningAcknowledged(_OfVersion):
    """Somebody answers for the warning."""

    conflict: str
    choice: Choice
    why: str


@dataclass(frozen=True, slots=True)
class ConflictGone(_OfVersion):
    """What clashed clashes no more."""

    conflict: str


@dataclass(frozen=True, slots=True)
class Blocked(_OfVersion):
    """A blocking conflict stops the version."""


@dataclass(frozen=True, slots=True)
class Unblocked(_OfVersion):
    """The last blocking conflict is gone."""


@dataclass(frozen=True, slots=True)
class Approved(_OfVersion):
    """Somebody approved in this role."""

    role: str


@dataclass(frozen=True, slots=True)
class Vetoed(_OfVersion):
    """Somebody forbade the version."""

    why: str


@dataclass(frozen=True, slots=True)
class VetoLifted(_OfVersion):
    """Whoever forbade it took that back."""

    why: str


@dataclass(frozen=True, slots=True)
class Activated(_OfVersion):
    """The version counts."""


@dataclass(frozen=True, slots=True)
class ActivatedOverWarning(_OfVersion):
    """The version counts although these warnings were open."""

    warnings: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ActivatedOwn(_OfVersion):
    """Its proposer made the version count."""

    why: str


@dataclass(frozen=True, slots=True)
class ProposedAndActivated(_OfVersion):
    """The version was offered and made to count in one."""

    why: str


@dataclass(frozen=True, slots=True)
class Rejected(_OfVersion):
    """The proposal is turned down."""

    why: str


@dataclass(frozen=True, slots=True)
class Withdrawn(_OfVersion):
    """The draft is taken back."""

    why: str


@dataclass(frozen=True, slots=True)
class Lapsed(_OfVersion):
    """The proposal's time is over."""


@dataclass(frozen=True, slots=True)
class Deprecated(_OfVersion):
    """The version counts no more; `successor` is the version that took its place, where one did."""

    why: str
    successor: int | None = None


@dataclass(frozen=True, slots=True)
class Archived(_OfVersion):
    """The version has ended."""

    why: str


@dataclass(frozen=True, slots=True)
class BodyErased(_OfVersion):
    """The body's key is destroyed; its commitment stays."""

    key_id: str
    why: str


Event = (
    Drafted
    | Amended
    | Described
    | Proposed
    | ConflictFound
    | ResolutionChosen
    | WarningAcknowledged
    | ConflictGone
    | Blocked
    | Unblocked
    | Approved
    | Vetoed
    | VetoLifted
    | Activated
    | ActivatedOverWarning
    | ActivatedOwn
    | ProposedAndActivated
    | Rejected
    | Withdrawn
    | Lapsed
    | Deprecated
    | Archived
    | BodyErased
)
Activations = Activated | ActivatedOverWarning | ActivatedOwn | ProposedAndActivated
