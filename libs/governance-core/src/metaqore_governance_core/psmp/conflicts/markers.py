"""Where requirements apply: PEP 508 markers as regions of environments that can be intersected.

A region is a union of boxes; a box bounds some marker variables and leaves the others free. `python_version` is the
first two numbers of `python_full_version`, and so is a bound on that. Sources: PEP 508, PEP 496, and the dependency
specifiers specification of the PyPA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from packaging.markers import InvalidMarker, Marker
from packaging.ranges import VersionRange
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_marker, values_of
from metaqore_governance_core.psmp.conflicts.strings import StringSet, atom_of

MAX_BOXES: Final = 512
"""A marker or an intersection of some that needs more is refused: nobody could read it either."""

_PRUNED: Final = 32

_VERSIONED: Final = frozenset({"python_full_version", "implementation_version"})
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<punctuation>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<operator>===|~=|[<>=!]=|[<>])|(?P<word>[\w.]+))"""
)
_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NOWHERE_VERSION: Final = SpecifierSet("<0,>0").to_range()

# What each platform is called by the three variables that name it, and each interpreter by its two.
_SAME: Final[tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]] = (
    (
        ("sys_platform", "platform_system", "os_name"),
        (
            ("win32", "Windows", "nt"),
            ("linux", "Linux", "posix"),
            ("darwin", "Darwin", "posix"),
        ),
    ),
    (
        ("implementation_name", "platform_python_implementation"),
        (("cpython", "CPython"), ("pypy", "PyPy")),
    ),
)


@dataclass(frozen=True, slots=True)
class Box:
    """Bounds on some variables, in order of their names."""

    versions: tuple[tuple[str, VersionRange], ...] = ()
    strings: tuple[tuple[str, StringSet], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.versions, self.strings)))

    def __hash__(self) -> int:
        """Computed once: regions are looked up far more often than they are made."""
        return self._hash

    def meet(self, other: Box) -> Box | None:
        """What is in both; None where that is nowhere."""
        versions, strings = dict(self.versions), dict(self.strings)
        for name, allowed in other.versions:
            both = versions[name] & allowed if name in versions else allowed
            if both.is_empty:
                return None
            versions[name] = both
        for name, values in other.strings:
            narrowed = strings[name].meet(values) if name in strings else values
            if narrowed.is_empty:
                return None
            strings[name] = narrowed
        if not _consistent(strings):
            return None
        return Box(tuple(sorted(versions.items())), tuple(sorted(strings.items(), key=lambda item: item[0])))


Region = tuple[Box, ...]
NOWHERE: Final[Region] = ()
ANYWHERE: Final[Region] = (Box(),)


@lru_cache(maxsize=8192)
def region_of(marker: str) -> Region:
    """Where `marker` holds.

    Raises `MetaQoreError` `marker_invalid`, `marker_too_complex` or `requirement_too_complex`.
    """
    check_marker(marker)
    spend(50 + 30 * values_of(marker) + 3 * values_of(marker) ** 2)
    try:
        normal = str(Marker(marker))
    except InvalidMarker as error:
        raise MetaQoreError("marker_invalid", f"This is no marker: {marker!r}. See PEP 508.") from error
    return _region(normal)


def both(one: Region, other: Region) -> Region:
    """Where both hold. Raises `MetaQoreError` `marker_too_complex`."""
    if one is other or one is ANYWHERE:
        return other
    return one if other is ANYWHERE else _both(one, other)


@lru_cache(maxsize=16_384)
def _both(one: Region, other: Region) -> Region:
    if one in {ANYWHERE, other}:
        return other
    if other == ANYWHERE:
        return one
    spend(30 * len(one) * len(other))
    met = (box.meet(another) for box in one for another in other)
    return _bounded(_pruned(tuple(dict.fromkeys(box for box in met if box is not None))))


def _pruned(region: Region) -> Region:
    """Without the boxes that lie within another, so that a region tends to have one spelling."""
    if not 1 < len(region) <= _PRUNED:
        return region
    return tuple(box for box in region if not any(box is not other and box.meet(other) == box for other in region))


def _bounded(region: Region) -> Region:
    if len(region) > MAX_BOXES:
        raise MetaQoreError(
            "marker_too_complex",
            "These markers have too many cases to compare. Write them with fewer alternatives.",
            kind=ErrorKind.UNPROCESSABLE,
        )
    return region


@lru_cache(maxsize=4096)
def _region(normal: str) -> Region:
    tokens = list(_tokens(normal))
    region, rest = _either(tokens)
    if rest:
        raise MetaQoreError("marker_invalid", f"This is no marker: {normal!r}. See PEP 508.")
    return region


_Token = tuple[str, str]


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise MetaQoreError("marker_invalid", f"This is no marker: {text!r}. See PEP 508.")
        kind = match.lastgroup or ""
        yield ("value" if kind in {"double", "single"} else kind, match[kind])
        position = match.end()


def _either(tokens: list[_Token]) -> tuple[Region, list[_Token]]:
    region, rest = _all(tokens)
    while rest[:1] == [("word", "or")]:
        more, rest = _all(rest[1:])
        region = _bounded(tuple(dict.fromkeys((*region, *more))))
    return region, rest


def _all(tokens: list[_Token]) -> tuple[Region, list[_Token]]:
    region, rest = _one(tokens)
    while rest[:1] == [("word", "and")]:
        more, rest = _one(rest[1:])
        region = both(region, more)
    return region, rest


def _one(tokens: list[_Token]) -> tuple[Region, list[_Token]]:
    if tokens[0] == ("punctuation", "("):
        region, rest = _either(tokens[1:])
        return region, rest[1:]
    left, rest = tokens[0], tokens[1:]
    negated = rest[0] == ("word", "not")
    operator, right, rest = ("not in", rest[2], rest[3:]) if negated else (rest[0][1], rest[1], rest[2:])
    if left[0] == "word":
        return _comparison(left[1], operator, right[1], value_first=False), rest
    return _comparison(right[1], operator, left[1], value_first=True), rest


def _comparison(variable: str, operator: str, value: str, *, value_first: bool) -> Region:
    if value_first and operator in _FLIPPED:
        operator = _FLIPPED[operator]
    if variable == "python_version":
        allowed = _python_version(operator, value)
        if allowed is not None:
            return _versioned("python_full_version", allowed)
    elif variable in _VERSIONED:
        allowed = _version(operator, value)
        if allowed is not None:
            return _versioned(variable, allowed)
    values = atom_of(operator, value, value_first=value_first)
    return NOWHERE if values.is_empty else (Box(strings=((variable, values),)),)


def _versioned(variable: str, allowed: VersionRange) -> Region:
    return NOWHERE if allowed.is_empty else (Box(versions=((variable, allowed),)),)


def _version(operator: str, value: str) -> VersionRange | None:
    try:
        if operator in {"in", "not in"}:
            listed = _NOWHERE_VERSION
            for one in value.replace(",", " ").split():
                listed |= SpecifierSet(f"=={one}").to_range()
            return ~listed if operator == "not in" else listed
        return SpecifierSet(f"{operator}{value}").to_range()
    except InvalidSpecifier:
        return None


def _python_version(operator: str, value: str) -> VersionRange | None:
    """The full versions whose first two numbers compare so: `python_version > "3.8"` begins at 3.9."""
    if operator in {"in", "not in"}:
        listed = _NOWHERE_VERSION
        for one in value.replace(",", " ").split():
            part = _python_version("==", one)
            if part is None:
                return None
            listed |= part
        return ~listed if operator == "not in" else listed
    try:
        release = Version(value.removesuffix(".*")).release
    except InvalidVersion:
        return None
    if value.endswith(".*") or operator == "~=":
        return _version(operator, value)
    major, minor = (*release, 0)[:2]
    this, following = f"{major}.{minor}", f"{major}.{minor + 1}"
    between = any(release[2:])
    spelled = {
        "<": f"<{following if between else this}",
        "<=": f"<{following}",
        ">": f">={following}",
        ">=": f">={following if between else this}",
        "==": "<0,>0" if between else f"=={this}.*",
        "===": "<0,>0" if between else f"=={this}.*",
        "!=": "" if between else f"!={this}.*",
    }[operator]
    return SpecifierSet(spelled).to_range()


def _consistent(strings: dict[str, StringSet]) -> bool:
    """Whether some platform and some interpreter bear these names, as far as they are known ones."""
    return all(_named(strings, names, rows) for names, rows in _SAME)


def _named(strings: dict[str, StringSet], names: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> bool:
    for column, name in enumerate(names):
        allowed = strings[name].listed if name in strings else None
        if allowed is None:
            continue
        known = {row[column] for row in rows}
        if not allowed <= known:
            continue
        if not any(
            row[column] in allowed
            and all(other not in strings or row[at] in strings[other] for at, other in enumerate(names))
            for row in rows
        ):
            return False
    return True
