"""What a version declares, entry by entry, with the keys under which others can clash with it.

The index is from key to entries. A proposal reads the entries under the keys it reads, and nothing else: what shares no
key cannot clash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.go_requirements import GoRequirement
from metaqore_governance_core.psmp.conflicts.manifest import PackageEntry
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.npm_workspaces import TREE
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, PathUse, ancestors, path_key
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement

Entry = PathClaim | PackageEntry | TaskHold


class KeyKind(StrEnum):
    """What a key is about."""

    PATH = "path"
    BELOW = "below"
    PYTHON = "python"
    NPM = "npm"
    CARGO = "cargo"
    CARGO_LINKS = "cargo_links"
    MAVEN = "maven"
    GO = "go"
    TASK = "task"

    __hash__ = str.__hash__  # Enum's own is written in Python, and keys are looked up all the time


_OF_THE_PROJECT: Final = frozenset({KeyKind.PATH, KeyKind.BELOW, KeyKind.TASK})


class ConflictKey(NamedTuple):
    """Where entries meet. Paths and tasks have one place in a project; packages have one in each environment."""

    organization: str
    project: str
    kind: KeyKind
    environment: str
    name: str

    def __str__(self) -> str:
        within = f"{self.environment}:" if self.environment else ""
        return f"{self.kind}:{within}{self.name}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """All entries of one version. `environment` is empty for the project's default of each ecosystem."""

    organization: str
    project: str
    party: Party
    entries: tuple[Entry, ...]
    environment: str = ""

    def _key(self, kind: KeyKind, name: str) -> ConflictKey:
        environment = "" if kind in _OF_THE_PROJECT else self.environment
        return ConflictKey(self.organization, self.project, kind, environment, name)

    def stored(self) -> Iterator[tuple[ConflictKey, Entry]]:
        """Under which keys the index keeps each entry."""
        for entry in self.entries:
            match entry:
                case PathClaim():
                    key = path_key(entry.path)
                    yield self._key(KeyKind.PATH, key), entry
                    if entry.use is PathUse.WRITES:
                        for folder in ancestors(key):
                            yield self._key(KeyKind.BELOW, folder), entry
                case _:
                    yield self._key(*_meeting(entry)), entry

    def packages(self) -> Iterator[tuple[ConflictKey, PackageEntry]]:
        """The entries on packages, each with the one key under which it is kept and read."""
        for entry in self.entries:
            if not isinstance(entry, PathClaim | TaskHold):
                yield self._key(*_meeting(entry)), entry

    def read(self) -> frozenset[ConflictKey]:
        """Under which keys others may have entries that clash with these."""
        keys: set[ConflictKey] = set()
        for entry in self.entries:
            match entry:
                case PathClaim():
                    key = path_key(entry.path)
                    keys.add(self._key(KeyKind.PATH, key))
                    if entry.use is PathUse.WRITES:
                        keys.add(self._key(KeyKind.BELOW, key))
                        keys.update(self._key(KeyKind.PATH, folder) for folder in ancestors(key))
                case NpmRequirement(kind=NpmKind.OVERRIDE, root=False):
                    keys |= {self._key(*_meeting(entry)), self.tree}
                case _:
                    keys.add(self._key(*_meeting(entry)))
        return frozenset(keys)

    @property
    def tree(self) -> ConflictKey:
        """Where npm's manifests say whom they have as members."""
        return self._key(KeyKind.NPM, TREE)


def _meeting(entry: PackageEntry | TaskHold) -> tuple[KeyKind, str]:  # noqa: PLR0911 - one return a kind
    """Where entries that are not paths meet: each is stored and read under the same one key."""
    match entry:
        case PythonRequirement():
            return KeyKind.PYTHON, entry.name
        case NpmRequirement():
            return KeyKind.NPM, entry.name
        case CargoRequirement():
            return KeyKind.CARGO, entry.name
        case CargoLink():
            return KeyKind.CARGO_LINKS, entry.library
        case MavenRequirement():
            return KeyKind.MAVEN, entry.name
        case GoRequirement():
            return KeyKind.GO, entry.name
        case TaskHold():
            return KeyKind.TASK, entry.task
        case _:
            assert_never(entry)
