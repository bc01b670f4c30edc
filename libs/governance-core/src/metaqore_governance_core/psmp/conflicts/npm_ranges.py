"""npm's version ranges as sets: node-semver's grammar (loose, as npm reads it) and its rule for pre-releases.

A range is what it allows of stable versions, as intervals of (major, minor, patch), and of the pre-releases of each
version, as intervals of identifiers. A pre-release is allowed only where a comparator of the same alternative names one
of the same major, minor and patch. Sources: Semantic Versioning 2.0.0 sections 9 to 11, node-semver's README and
`range.bnf`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.intervals import Interval, Intervals
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement, clauses_of

Triple = tuple[int, int, int]
Identifiers = tuple[tuple[int, int, str], ...]
"""Each identifier of a pre-release: numbers before words, and a list before any longer one that it begins."""

_LOWEST: Final[Identifiers] = ((0, 0, ""),)
_ZERO: Final[Triple] = (0, 0, 0)
_IDENTIFIER: Final = r"[0-9A-Za-z-]+"
_PARTIAL: Final = (
    r"[v=\s]*(?P<major>[0-9]+|[xX*])(?:\.(?P<minor>[0-9]+|[xX*])(?:\.(?P<patch>[0-9]+|[xX*])"
    rf"(?:-?(?P<pre>(?:[0-9]*[A-Za-z-][0-9A-Za-z-]*|(?<=-)[0-9]+)(?:\.{_IDENTIFIER})*))?(?:\+{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?)?)?"
)
_COMPARATOR: Final = re.compile(rf"(?P<operator>\^|~>?=?|>=|<=|>|<|=)?\s*{_PARTIAL}")
_HYPHEN: Final = re.compile(r"(\S+)\s+-\s+(\S+)")
_SPACED_OPERATOR: Final = re.compile(r"(\^|~>?|>=|<=|>|<|=)\s+")


@dataclass(frozen=True, slots=True)
class NpmRange:
    """A set of versions. `prereleases` is in order of the versions whose pre-releases it allows."""

    stable: Intervals[Triple]
    prereleases: tuple[tuple[Triple, Intervals[Identifiers]], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no version is in."""
        return self.stable.is_empty and not self.prereleases

    def meet(self, other: NpmRange) -> NpmRange:
        """What is in both."""
        theirs = dict(other.prereleases)
        shared = ((triple, mine.meet(theirs[triple])) for triple, mine in self.prereleases if triple in theirs)
        return NpmRange(
            self.stable.meet(other.stable), tuple((triple, both) for triple, both in shared if not both.is_empty)
        )

    @classmethod
    def of(cls, ranges: Sequence[NpmRange]) -> NpmRange:
        """What is in any of these."""
        stable = Intervals.of(part for one in ranges for part in one.stable.parts)
        joined: dict[Triple, Intervals[Identifiers]] = {}
        for one in ranges:
            for triple, more in one.prereleases:
                joined[triple] = joined[triple].join(more) if triple in joined else more
        return cls(stable, tuple(sorted(joined.items(), key=lambda item: item[0])))

    @property
    def highest(self) -> NpmRange:
        """The part that holds the highest version: the one that npm tries."""
        last, pre = self.stable.last, self.prereleases[-1:]
        if last.is_empty:
            return NpmRange(last, pre)
        high = last.parts[0].high
        if pre and high is not None and not pre[0][0] < high:
            return NpmRange(Intervals(), pre)
        return NpmRange(last)


_ANY: Final = NpmRange(Intervals((Interval(_ZERO),)))


@lru_cache(maxsize=8192)
def npm_range(text: str) -> NpmRange | None:
    """The set that `text` spells; None where it is no range but a tag, an address or an alias.

    Raises `MetaQoreError` `requirement_too_complex`.
    """
    check_requirement(text)
    spend(4 + 12 * clauses_of(text))
    alternatives: list[NpmRange] = []
    for alternative in text.split("||"):
        comparators = _comparators(alternative.strip())
        if comparators is not None:
            alternatives.append(_all_of(comparators))
    if _ANY in alternatives:
        return _ANY  # as node-semver has it: the others' pre-releases do not count beside it
    return NpmRange.of(alternatives) if alternatives else None


@dataclass(frozen=True, slots=True)
class _Bound:
    """One of `>=`, `>`, `<=`, `<` and a full version; `pre` is None for a stable one."""

    operator: str
    triple: Triple
    pre: Identifiers | None = None

    @property
    def stable(self) -> Interval[Triple]:
        following = self.triple if self.pre is not None else _next(self.triple)
        match self.operator:
            case ">=":
                return Interval(self.triple)
            case ">":
                return Interval(following)
            case "<=":
                return Interval(_ZERO, following)
            case _:
                return Interval(_ZERO, self.triple)

    def of_prereleases(self, triple: Triple) -> Interval[Identifiers]:
        """What it allows of the pre-releases of `triple`, all of which lie just below `triple` itself."""
        upward = self.operator in {">=", ">"}
        if triple != self.triple:
            return Interval(_LOWEST) if (triple > self.triple) == upward else _NO_PRERELEASE
        if self.pre is None:
            return _NO_PRERELEASE if upward else Interval(_LOWEST)
        at = self.pre if self.operator in {">=", "<"} else (*self.pre, _SMALLEST)
        return Interval(at) if upward else Interval(_LOWEST, at)


_SMALLEST: Final = (0, 0, "")
"""The identifier 0: appended to a pre-release, it makes the next one."""

_NO_PRERELEASE: Final[Interval[Identifiers]] = Interval(_LOWEST, _LOWEST)


def _next(triple: Triple) -> Triple:
    return (triple[0], triple[1], triple[2] + 1)


def _all_of(bounds: list[_Bound]) -> NpmRange:
    stable = Interval(_ZERO)
    for bound in bounds:
        stable = stable.meet(bound.stable)
    prereleases: list[tuple[Triple, Intervals[Identifiers]]] = []
    for triple in sorted({bound.triple for bound in bounds if bound.pre is not None}):
        allowed = Interval(_LOWEST)
        for bound in bounds:
            allowed = allowed.meet(bound.of_prereleases(triple))
        if not allowed.is_empty:
            prereleases.append((triple, Intervals.of([allowed])))
    return NpmRange(Intervals.of([stable]), tuple(prereleases))


def _comparators(text: str) -> list[_Bound] | None:
    """The bounds of an alternative, without the words in it that are none; None where all of it are such words."""
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen is not None:
        low, high = (_COMPARATOR.fullmatch(one) for one in hyphen.groups())
        if low is not None and high is not None and {low["operator"], high["operator"]} <= {None, "="}:
            return [*_desugared(">=", low), *_desugared("<=", high)]
    words = _SPACED_OPERATOR.sub(r"\1", text).split()
    read = [match for word in words if (match := _COMPARATOR.fullmatch(word)) is not None]
    if words and not read:
        return None
    return [bound for match in read for bound in _desugared(match["operator"] or "=", match)]


def _desugared(operator: str, match: re.Match[str]) -> Iterator[_Bound]:
    """`^`, `~` and `x` as bounds, as node-semver's `range.js` replaces them."""
    numbers = [None if part in {None, "x", "X", "*"} else int(part) for part in match.group("major", "minor", "patch")]
    known = numbers.index(None) if None in numbers else 3
    triple = tuple(number or 0 for number in numbers[:known]) + (0,) * (3 - known)
    low: Triple = (triple[0], triple[1], triple[2])
    pre = _identifiers(match["pre"]) if match["pre"] and known == 3 else None  # noqa: PLR2004 - major, minor, patch
    if known == 0:
        if operator in {">", "<"}:
            yield _Bound("<", _ZERO, (_SMALLEST,))
        return
    if operator == "^" or operator.startswith("~") or (operator == "=" and known < 3):  # noqa: PLR2004 - as above
        yield _Bound(">=", low, pre)
        yield _Bound("<", _caret(low, known) if operator == "^" else _bump(low, min(known, 2)), (_SMALLEST,))
    elif known == 3:  # noqa: PLR2004 - as above
        for side in (">=", "<=") if operator == "=" else (operator,):
            yield _Bound(side, low, pre)
    elif operator in {">", "<="}:
        following = _bump(low, known)
        yield _Bound(">=", following) if operator == ">" else _Bound("<", following, (_SMALLEST,))
    else:
        yield _Bound(operator, low, (_SMALLEST,) if operator == "<" else None)


def _bump(low: Triple, place: int) -> Triple:
    """The first version after all that share the first `place` numbers."""
    return (low[0] + 1, 0, 0) if place == 1 else (low[0], low[1] + 1, 0)


def _caret(low: Triple, known: int) -> Triple:
    """The first version that changes the leftmost number that is not zero."""
    if low[0] > 0 or known == 1:
        return (low[0] + 1, 0, 0)
    if low[1] > 0 or known == 2:  # noqa: PLR2004 - major and minor
        return (0, low[1] + 1, 0)
    return _next(low)


def _identifiers(text: str) -> Identifiers:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))
