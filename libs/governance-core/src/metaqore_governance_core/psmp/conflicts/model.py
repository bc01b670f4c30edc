"""A conflict: what cannot stand together, who is party to it, and what would end it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.psmp.conflicts.effort import spend

_A_CONFLICT: Final = 40
"""The steps that it takes to make one."""


class Severity(StrEnum):
    """Whether a conflict stops a version, or is only told."""

    BLOCKING = "blocking"
    WARNING = "warning"


class ConflictType(StrEnum):
    """What sort of clash it is."""

    PATH_SAME = "path_same"
    PATH_PARENT = "path_parent"
    PATH_CASE = "path_case"
    PATH_UNICODE = "path_unicode"
    PATH_RENAME = "path_rename"
    VERSION_RIVAL = "version_rival"
    TASK_OWNERSHIP = "task_ownership"
    PYTHON_VERSIONS = "python_versions"
    PYTHON_URLS = "python_urls"
    PYTHON_UNKNOWN_VERSION = "python_unknown_version"
    NPM_RANGE_EMPTY = "npm_range_empty"
    NPM_PEERS = "npm_peers"
    NPM_OVERRIDE = "npm_override"
    NPM_NESTED = "npm_nested"
    CARGO_VERSIONS = "cargo_versions"
    CARGO_LINKS = "cargo_links"
    MAVEN_RANGES = "maven_ranges"
    MAVEN_NEAREST = "maven_nearest"
    GO_EXCLUDED = "go_excluded"
    GO_REPLACED = "go_replaced"
    GO_MINIMUM = "go_minimum"
    GO_TOOLCHAIN = "go_toolchain"


class Choice(StrEnum):
    """How a conflict may be resolved."""

    KEEP_EXISTING = "keep_existing"
    TAKE_INCOMING = "take_incoming"
    SUPERSEDE = "supersede"
    MANUAL = "manual"
    MERGE = "merge"


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """One side: the artifact and its version, who proposed it, and what it declares, in its own words."""

    artifact: str
    version: int
    by: str
    declares: str

    def __str__(self) -> str:
        return f"{self.by} ({self.artifact} v{self.version}: {self.declares})"


@dataclass(frozen=True, slots=True)
class Conflict:
    """`parties` are all that share `key`; `clashing` is a smallest part of them that already cannot stand together.

    `id` depends on the project, type, severity, key and the clashing parties alone: the same clash, found again, is the
    same conflict, however many others share its key.
    """

    id: str
    type: ConflictType
    severity: Severity
    key: str
    parties: tuple[Party, ...]
    clashing: tuple[Party, ...]
    suggestion: Choice
    explanation: str

    @property
    def blocks(self) -> bool:
        """Whether it stops a version."""
        return self.severity is Severity.BLOCKING


def make_conflict(
    type_: ConflictType,
    severity: Severity,
    key: str,
    *,
    parties: tuple[Party, ...],
    clashing: tuple[Party, ...],
    suggestion: Choice,
    explanation: str,
) -> Conflict:
    """The conflict of these, its parties in order and with its id."""
    spend(_A_CONFLICT + 3 * len(parties))
    core = in_order(clashing)
    form = [type_.value, severity.value, key, [[one.artifact, one.version, one.by, one.declares] for one in core]]
    id_ = "conflict_" + hashlib.sha256(canonical(form)).hexdigest()[:24]
    return Conflict(id_, type_, severity, key, in_order(parties), core, suggestion, explanation)


def of_project(conflict: Conflict, organization: str, project: str) -> Conflict:
    """The same clash, as a conflict of this project and of no other."""
    form = [organization, project, conflict.id]
    return replace(conflict, id="conflict_" + hashlib.sha256(canonical(form)).hexdigest()[:24])


def listed(parties: tuple[Party, ...]) -> str:
    """The parties as they are named in an explanation."""
    return "; ".join(map(str, in_order(parties)))


def in_order(parties: Iterable[Party]) -> tuple[Party, ...]:
    """Each once, as parties compare. They may be thousands, and are compared by tuples in a fifth of the time."""
    return tuple(sorted(set(parties), key=_fields))


def _fields(party: Party) -> tuple[str, int, str, str]:
    return party.artifact, party.version, party.by, party.declares
