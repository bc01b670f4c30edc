"""What may be asked of an artifact."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import Content
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict


@dataclass(frozen=True, slots=True)
class _Command:
    """Who asks, and when: microseconds since the Unix epoch, from the caller's clock."""

    by: Actor
    at_us: int


@dataclass(frozen=True, slots=True)
class _OfVersion(_Command):
    version: int


@dataclass(frozen=True, slots=True)
class Draft(_Command):
    """Make the next version, as a draft. `text_by` are the authors of the text that it carries on."""

    organization: str
    project: str
    name: str
    content: Content
    text_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Amend(_OfVersion):
    """Change what a draft declares."""

    content: Content


@dataclass(frozen=True, slots=True)
class Describe(_Command):
    """Change what a person reads about the artifact; None leaves it as it is."""

    description: str | None
    labels: tuple[tuple[str, str], ...] | None = ()


@dataclass(frozen=True, slots=True)
class Propose(_OfVersion):
    """Offer a draft. `conflicts` are all that it has with what stands, found just now."""

    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Rejudge(_OfVersion):
    """Tell what conflicts there are now: it blocks, and it frees by itself."""

    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Resolve(_OfVersion):
    """Choose how a conflict ends. It answers for a warning; a blocking conflict ends only when it is gone."""

    conflict: str
    choice: Choice
    why: str


@dataclass(frozen=True, slots=True)
class Approve(_OfVersion):
    """Approve a proposal in a role."""

    role: str


@dataclass(frozen=True, slots=True)
class LayVeto(_OfVersion):
    """Forbid that a proposal becomes active."""

    why: str


@dataclass(frozen=True, slots=True)
class LiftVeto(_OfVersion):
    """Take one's own veto back."""

    why: str


@dataclass(frozen=True, slots=True)
class Activate(_OfVersion):
    """Let a proposal count. `conflicts` are found just now, so that no pair of proposals slips through together."""

    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class ActivateOverWarning(_OfVersion):
    """Flexible: let a proposal count although warnings are open."""

    conflicts: tuple[Conflict, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ActivateOwn(_OfVersion):
    """Flexible: let one's own proposal count."""

    conflicts: tuple[Conflict, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ProposeAndActivate(_OfVersion):
    """Flexible: offer a draft and let it count in one."""

    conflicts: tuple[Conflict, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Reject(_OfVersion):
    """Turn a proposal down."""

    why: str


@dataclass(frozen=True, slots=True)
class Withdraw(_OfVersion):
    """Take a draft back."""

    why: str


@dataclass(frozen=True, slots=True)
class Lapse(_OfVersion):
    """End a proposal whose time to live is over."""


@dataclass(frozen=True, slots=True)
class Deprecate(_OfVersion):
    """Let the active version count no more."""

    why: str


@dataclass(frozen=True, slots=True)
class Archive(_OfVersion):
    """End a deprecated version."""

    why: str


@dataclass(frozen=True, slots=True)
class Retire(_Command):
    """End every version, each through all the phases between."""

    why: str


@dataclass(frozen=True, slots=True)
class EraseBody(_OfVersion):
    """Destroy the key of a body. The history stays, and stays provable."""

    why: str


Command = (
    Draft
    | Amend
    | Describe
    | Propose
    | Rejudge
    | Resolve
    | Approve
    | LayVeto
    | LiftVeto
    | Activate
    | ActivateOverWarning
    | ActivateOwn
    | ProposeAndActivate
    | Reject
    | Withdraw
    | Lapse
    | Deprecate
    | Archive
    | Retire
    | EraseBody
)
Activation = Activate | ActivateOverWarning | ActivateOwn | ProposeAndActivate
FLEXIBLE_ONLY = (ActivateOverWarning, ActivateOwn, ProposeAndActivate)
"""The commands that flexible adds. There are no others."""
