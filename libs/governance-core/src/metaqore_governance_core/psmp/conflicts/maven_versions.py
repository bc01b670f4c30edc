"""Versions of Maven in their order: numbers, known qualifiers and other words, padded where one is shorter.

Source: Maven's resolver, `org.eclipse.aether.util.version.GenericVersion`, and Maven's "Version Order Specification".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Final, NamedTuple

_MIN, _QUALIFIER, _WORD, _NUMBER, _MAX = range(5)
_RANKS: Final = {
    "alpha": -5,
    "beta": -4,
    "milestone": -3,
    "rc": -2,
    "cr": -2,
    "snapshot": -1,
    "ga": 0,
    "final": 0,
    "release": 0,
    "sp": 1,
}
_SHORT: Final = {"a": "alpha", "b": "beta", "m": "milestone"}
"""What these mean where a number follows at once: `1.0a1`."""


class _Item(NamedTuple):
    kind: int
    rank: int = 0
    word: str = ""

    @property
    def is_number(self) -> bool:
        return self.kind in {_MIN, _NUMBER, _MAX}

    @property
    def against_padding(self) -> int:
        """Below, at or above what a shorter version is filled up with."""
        match self.kind:
            case _ if self.kind == _MIN:
                return -1
            case _ if self.kind in {_NUMBER, _QUALIFIER}:
                return self.rank
            case _:
                return 1


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class MavenVersion:
    """A version by its parts. Two spellings of one version are equal: `1`, `1.0` and `1-ga`."""

    items: tuple[_Item, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenVersion) and _compared(self.items, other.items) == 0

    def __lt__(self, other: MavenVersion) -> bool:
        return _compared(self.items, other.items) < 0

    __hash__ = None  # type: ignore[assignment]  # spellings of one version would need one hash


@lru_cache(maxsize=8192)
def maven_version(text: str) -> MavenVersion:
    """The version of these words; every text is one."""
    return MavenVersion(tuple(_trimmed(_items(text))))


LOWEST: Final = MavenVersion((_Item(_MIN),))
"""Below every version."""


def _items(text: str) -> list[_Item]:
    items: list[_Item] = []
    at = 0
    while at < len(text):
        end = at
        number = text[at].isdecimal()
        while end < len(text) and text[end] not in ".-_" and text[end].isdecimal() is number:
            end += 1
        token = text[at:end]
        separated = end < len(text) and text[end] in ".-_"
        following = end + 1 if separated else end
        if not token:
            items.append(_Item(_NUMBER))
        elif number:
            items.append(_Item(_NUMBER, int(token)))
        else:
            items.append(_word(token.lower(), last=following >= len(text), before_number=not separated))
        at = following
    return items


def _word(token: str, *, last: bool, before_number: bool) -> _Item:
    if last and token in {"min", "max"}:
        return _Item(_MIN if token == "min" else _MAX)  # noqa: S105 - no secret
    if before_number and not last:
        token = _SHORT.get(token, token)
    rank = _RANKS.get(token)
    return _Item(_WORD, 0, token) if rank is None else _Item(_QUALIFIER, rank)


def _trimmed(items: list[_Item]) -> list[_Item]:
    """Without what a shorter version would be filled up with: at the end, and before words."""
    number: bool | None = None
    end = len(items) - 1
    for at in range(end, 0, -1):
        item = items[at]
        if item.is_number is not number:
            end, number = at, item.is_number
        same_before = at == len(items) - 1 or items[at - 1].is_number == item.is_number
        if end == at and same_before and item.against_padding == 0:
            del items[at]
            end -= 1
    return items


def _compared(one: tuple[_Item, ...], other: tuple[_Item, ...]) -> int:
    number = True
    for at in range(max(len(one), len(other))):
        if at >= len(one):
            return -_padded(other, at, None)
        if at >= len(other):
            return _padded(one, at, None)
        this, that = one[at], other[at]
        if this.is_number != that.is_number:
            return _padded(one, at, number) if number == this.is_number else -_padded(other, at, number)
        if this != that:
            return -1 if this < that else 1
        number = this.is_number
    return 0


def _padded(items: tuple[_Item, ...], begin: int, number: bool | None) -> int:  # noqa: FBT001 - None is a third
    for item in items[begin:]:
        if number is not None and number != item.is_number:
            break
        if item.against_padding:
            return item.against_padding
    return 0
