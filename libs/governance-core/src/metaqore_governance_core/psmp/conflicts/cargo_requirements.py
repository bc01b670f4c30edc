"""Cargo requirements that no set of versions satisfies: one version of a package in each compatible major, at most.

Cargo links two versions of a package where their leftmost numbers that are not zero differ, and never two that are
compatible. So the question is whether one version can be chosen in each such class, at most, so that everybody is
served; what a requirement allows in more than one class, it may take from any. Judged as if every version were
published. Source: The Cargo Book, "Specifying Dependencies" and "Dependency Resolution".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.cores import smallest_clash
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.intervals import Interval, Intervals
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)
from metaqore_governance_core.psmp.conflicts.npm_ranges import NpmRange, Triple, npm_range
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement

MAX_STEPS: Final = 2_000
MAX_COMPARATORS: Final = 32
"""Of one requirement; Cargo's own parser reads no more."""
_NUMBER: Final = r"(?:0|[1-9]\d{0,18})"
_IDENTIFIER: Final = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_COMPARATOR: Final = re.compile(
    rf"(?P<operator>\^|~|=|>=|<=|>|<|)\s*(?P<version>{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}"
    rf"(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?)?)(?P<wild>(?:\.[*xX])*)",
    re.ASCII,
)
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class CargoRequirement:
    """What one crate asks of one package. `text` is the requirement as its manifest has it."""

    party: Party
    name: str
    text: str


@lru_cache(maxsize=8192)
def cargo_range(text: str) -> NpmRange:
    """The set that a requirement spells. Raises `MetaQoreError` `requirement_invalid` or `requirement_too_complex`.

    The grammar is node-semver's but for four things: a comma joins, a bare version means `^`, `>=1.*` is `>=1`, and
    nothing is loose. Source: the `semver` crate.
    """
    check_requirement(text)
    listed = [one.strip() for one in text.split(",")]
    if len(listed) > MAX_COMPARATORS:
        raise _invalid(text)
    spelled = "*" if listed in (["*"], ["x"], ["X"]) else " ".join(_comparator(one, text) for one in listed)
    allowed = npm_range(spelled)
    if allowed is None:
        raise _invalid(text)
    return allowed


def _comparator(one: str, text: str) -> str:
    match = _COMPARATOR.fullmatch(one)
    if match is None or (match["wild"] and match[0].count(".") >= _PARTS):
        raise _invalid(text)
    return f"{match['operator'] or ('=' if match['wild'] else '^')}{match['version']}"


def _invalid(text: str) -> MetaQoreError:
    return MetaQoreError("requirement_invalid", f"This is no requirement of Cargo: {text!r}. Write 1.2 or =1.2.3.")


def cargo_conflicts(key: str, requirements: Sequence[CargoRequirement]) -> list[Conflict]:
    """The conflict among all requirements on one package of one workspace, with a smallest clashing part."""
    if not _clash(requirements):
        return []
    clashing = tuple(one.party for one in smallest_clash(requirements, _clash))
    name = requirements[0].name
    explanation = (
        f"Cargo takes one version of {name} in each compatible major at most, and none serves all: {listed(clashing)}. "
        "Widen one of these requirements, move one to another major, or give it its own environment."
    )
    return [
        make_conflict(
            ConflictType.CARGO_VERSIONS,
            Severity.BLOCKING,
            key,
            parties=tuple(one.party for one in requirements),
            clashing=clashing,
            suggestion=Choice.MANUAL,
            explanation=explanation,
        )
    ]


def _clash(requirements: Sequence[CargoRequirement]) -> bool:
    ranges = list(dict.fromkeys(cargo_range(one.text) for one in requirements))
    shares = [_shares(allowed, len(ranges)) for allowed in ranges]
    bounded = sorted((share for share in shares if share is not None), key=len)
    return not _served(bounded)


def _served(shares: Sequence[dict[Triple, NpmRange]]) -> bool:
    """Whether each of `shares` can have a version in one of its classes, beside what the others take of it."""
    steps = 0
    untried: list[tuple[int, Mapping[Triple, NpmRange]]] = [(0, {})]
    while untried:
        at, taken = untried.pop()
        if at == len(shares):
            return True
        steps += 1
        spend(10 + len(taken))
        if steps > MAX_STEPS:
            raise MetaQoreError(
                "requirements_too_complex",
                "These requirements can be served in too many ways to try. Bound them to one major each.",
                kind=ErrorKind.UNPROCESSABLE,
            )
        for class_, allowed in reversed(shares[at].items()):
            both = allowed.meet(taken[class_]) if class_ in taken else allowed
            if not both.is_empty:
                untried.append((at + 1, {**taken, class_: both}))
    return False


def _shares(allowed: NpmRange, ranges: int) -> dict[Triple, NpmRange] | None:
    """What a range allows in each class; None where it reaches into as many as there are ranges.

    The others take at most one class each, so that one of its own is always left: no more need to be looked at.
    """
    stable = allowed.stable
    if any(part.high is None or _endless(part.low, part.high) for part in stable.parts):
        return None
    of_prereleases = {_class_of(triple) for triple, _ in allowed.prereleases}
    lows = set(of_prereleases)
    for part in stable.parts:
        low = _class_of(part.low)
        while part.high is not None and low < part.high:
            lows.add(low)
            low = _end_of(low)
            if len(lows) - len(of_prereleases) >= ranges:
                return None
    spend(10 * len(lows))
    shares = {low: share for low in sorted(lows) if not (share := _within(allowed, low)).is_empty}
    return shares if len(shares) < ranges else None


def _within(allowed: NpmRange, low: Triple) -> NpmRange:
    end = _end_of(low)
    prereleases = tuple((triple, parts) for triple, parts in allowed.prereleases if _class_of(triple) == low)
    return NpmRange(allowed.stable.meet(Intervals((Interval(low, end),))), prereleases)


def _endless(low: Triple, high: Triple) -> bool:
    """Whether all of 0.x from some minor on, or all of 0.0.x from some patch on, lies between."""
    return any(low < end <= high and low[:place] == (0,) * place for place, end in ((1, (1, 0, 0)), (2, (0, 1, 0))))


def _class_of(triple: Triple) -> Triple:
    """The first version of the compatible major that this one is in."""
    if triple[0] > 0:
        return (triple[0], 0, 0)
    return (0, triple[1], 0) if triple[1] > 0 else triple


def _end_of(low: Triple) -> Triple:
    if low[0] > 0:
        return (low[0] + 1, 0, 0)
    return (0, low[1] + 1, 0) if low[1] > 0 else (0, 0, low[2] + 1)
