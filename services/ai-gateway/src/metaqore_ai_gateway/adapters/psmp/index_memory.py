"""What the conflict index holds on packages, remembered for as long as its project stays as it was when it was read.

Whoever holds a project's lock sees whether anything happened in it since: its stamp tells, its version with the
transaction that wrote it. Where nothing did, or only what this process wrote itself, the same packages need not be read
again for every proposal that names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from metaqore_ai_gateway.adapters.psmp.entry_codec import encode_entries
from metaqore_ai_gateway.service.psmp.ports import Changes
from metaqore_ai_gateway.service.psmp.standing import Found, Holder
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, KeyKind

MOST: Final = 65_536
"""Of the entries that a process remembers, all projects together: some 30 MB."""
SHARED_KINDS: Final = frozenset(KeyKind) - {KeyKind.PATH, KeyKind.BELOW, KeyKind.TASK}
"""Packages, which many declare again and again. A path or a task is mostly asked for once."""

Stamp: TypeAlias = tuple[int, int]
"""A project's version, and the transaction that wrote it: a database that was restored has others."""
_Place: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Sample:
    found: tuple[Found, ...]
    forms: tuple[bytes, ...]

    def stays(self, gone: Holder) -> bool:
        return all(one.holder != gone for one in self.found)

    def settles(self, form: bytes) -> bool:
        """Whether two different parties of that form are here: more of them would tell nothing new."""
        known = zip(self.forms, self.found, strict=True)
        return len({one.holder.party for own, one in known if own == form}) > 1


@dataclass(slots=True)
class RememberedIndex:
    """Samples of one project at one stamp."""

    stamp: Stamp = (0, 0)
    _samples: dict[ConflictKey, _Sample] = field(default_factory=dict)
    size: int = 0

    def found(self, keys: Iterable[ConflictKey]) -> dict[ConflictKey, tuple[Found, ...]]:
        """The samples of those keys that are known."""
        return {key: self._samples[key].found for key in keys if key in self._samples}

    def learn(self, key: ConflictKey, rows: Collection[tuple[bytes, Found]]) -> tuple[Found, ...]:
        """A sample as it was read: the form of each, and who declares it. Gives it without the forms."""
        forms, found = zip(*rows, strict=True) if rows else ((), ())
        if key.kind in SHARED_KINDS:
            self._samples[key] = _Sample(found, forms)
            self.size += 1 + len(rows)
            if self.size > MOST:
                self._samples, self.size = {}, 0
        return found

    def follow(self, changes: Changes, stamp: Stamp) -> None:
        """Go on to what this process wrote itself: forget what it changed, and keep the rest."""
        self.stamp = stamp
        for holder, rows in changes.removed:
            for key in rows:
                if key in self._samples and not self._samples[key].stays(holder):
                    self._forget(key)
        for rows in changes.placed.values():
            for key, entries in rows.items():
                if key in self._samples and not self._samples[key].settles(encode_entries(entries)[0]):
                    self._forget(key)

    def _forget(self, key: ConflictKey) -> None:
        self.size -= 1 + len(self._samples.pop(key).found)


@dataclass(slots=True)
class IndexMemory:
    """The remembered indexes of a process, those first that were not used for longest."""

    _places: dict[_Place, RememberedIndex] = field(default_factory=dict)
    _size: int = 0

    def take(self, organization: str, project: str, stamp: Stamp) -> RememberedIndex:
        """What is remembered of the project as it is at `stamp`. It is forgotten here until it is given back."""
        known = self._places.pop((organization, project), None)
        if known is None:
            return RememberedIndex(stamp)
        self._size -= known.size
        return known if known.stamp == stamp else RememberedIndex(stamp)

    def give(self, organization: str, project: str, index: RememberedIndex) -> None:
        """Remember what a transaction that is committed knows."""
        former = self._places.pop((organization, project), None)
        self._places[organization, project] = index
        self._size += index.size - (0 if former is None else former.size)
        while self._size > MOST:
            self._size -= self._places.pop(next(iter(self._places))).size
