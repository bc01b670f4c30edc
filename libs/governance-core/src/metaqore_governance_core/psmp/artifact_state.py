"""What an artifact is: a name in a project with numbered versions, each in one phase."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict


class Phase(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    BLOCKED = "blocked"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    ARCHIVED = "archived"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


FINAL_PHASES: Final = frozenset({Phase.ARCHIVED, Phase.REJECTED, Phase.WITHDRAWN, Phase.LAPSED})
"""Coming back from these is a new version."""

OFFERED_PHASES: Final = frozenset({Phase.PROPOSED, Phase.BLOCKED})
"""The phases of a proposal."""

FOLLOWING: Final[dict[Phase | None, frozenset[Phase]]] = {
    None: frozenset({Phase.DRAFT}),
    Phase.DRAFT: frozenset({Phase.PROPOSED, Phase.WITHDRAWN}),
    Phase.PROPOSED: frozenset({Phase.ACTIVE, Phase.BLOCKED, Phase.REJECTED, Phase.LAPSED}),
    Phase.BLOCKED: frozenset({Phase.PROPOSED, Phase.REJECTED, Phase.LAPSED}),
    Phase.ACTIVE: frozenset({Phase.DEPRECATED}),
    Phase.DEPRECATED: frozenset({Phase.ARCHIVED}),
    **dict.fromkeys(FINAL_PHASES, frozenset()),
}
"""Every step there is: what may come next after each phase."""


@dataclass(frozen=True, slots=True)
class Body:
    """The commitment to a body, its size, and the key under which it is encrypted: erasing destroys that key."""

    digest: str
    key_id: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a version comes from: agent, model, keyed commitments, and the versions that it was made from."""

    agent: str = ""
    model: str = ""
    task: str = ""
    prompt: str = ""
    documents: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """One requirement, as its manifest says it. What an ecosystem has no use for is left at its default.

    `scope` names the extra or group of Python, `kind` the section of npm, `marker` where its manifest is used at all.
    """

    ecosystem: str
    name: str
    text: str
    declares: str = ""
    scope: str = ""
    marker: str = ""
    kind: str = ""
    manifest: str = ""
    via: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a version declares. It can be amended while the version is a draft, and never after.

    `paths` are relative to the project; `renames` go from the first to the second path; `environment` is empty for the
    project's default of each ecosystem.
    """

    body: Body
    paths: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    environment: str = ""
    semantic_version: str = ""
    sensitivity: str = "INTERNAL"
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True, slots=True, order=True)
class Approval:
    """Someone approved in a role."""

    role: str
    by: str
    at_us: int


@dataclass(frozen=True, slots=True, order=True)
class Veto:
    """Someone whose role may do so forbade the version."""

    by: str
    why: str
    at_us: int


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A conflict that a version stands in, since when, and what was chosen to end it."""

    conflict: Conflict
    since_us: int
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `acknowledged` are the ids of warnings that somebody has answered for.

    `drafted_us` is when it was made, `since_us` since when it is in its phase. `base` is the number of the version that
    was active then, 0 for none: what its author had to build upon. `text_by` are the authors of the text that it
    carries on, where somebody else drafted it, as a resolution or a restore does, and whoever else amended the draft.
    """

    number: int
    content: Content
    phase: Phase
    since_us: int
    drafted_by: str
    proposed_by: str = ""
    expires_us: int | None = None
    conflicts: tuple[OpenConflict, ...] = ()
    acknowledged: frozenset[str] = frozenset()
    approvals: tuple[Approval, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    erased: bool = False
    drafted_us: int = 0
    base: int = 0
    text_by: tuple[str, ...] = ()

    @property
    def authors(self) -> frozenset[str]:
        """All whose work it is. None of them may decide about it for the others."""
        return frozenset({self.drafted_by, self.proposed_by, *self.text_by}) - {""}

    @property
    def blocking(self) -> tuple[OpenConflict, ...]:
        """The conflicts that stop it."""
        return tuple(one for one in self.conflicts if one.conflict.blocks)

    @property
    def warnings(self) -> tuple[OpenConflict, ...]:
        """The conflicts that are told and not yet answered for."""
        return tuple(one for one in self.conflicts if not one.conflict.blocks)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A name in a project. `versions[n - 1]` is version n."""

    organization: str = ""
    project: str = ""
    name: str = ""
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    versions: tuple[Version, ...] = ()

    @property
    def active(self) -> Version | None:
        """The one version that counts now."""
        return next((version for version in self.versions if version.phase is Phase.ACTIVE), None)
