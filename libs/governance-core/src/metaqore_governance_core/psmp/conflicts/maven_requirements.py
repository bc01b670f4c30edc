"""Maven's versions and ranges: ranges that no version satisfies together, and what the nearest decides.

A plain version is a wish: where several meet, the nearest wins, or what satisfies the ranges. Ranges are demands, and
Maven refuses where no version is in all of them. Judged as if every version were published. Source: Maven's "Dependency
Mechanism" and "Dependency Version Requirement Specification", and its resolver's `NearestVersionSelector`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.cores import smallest_clash
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.intervals import Interval, Intervals
from metaqore_governance_core.psmp.conflicts.maven_versions import LOWEST, MavenVersion, maven_version
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement, clauses_of

_Point: TypeAlias = tuple[MavenVersion, int]
"""Just before a version, 0, or just behind it, 1."""
MavenRange: TypeAlias = Intervals[_Point]

_PART: Final = re.compile(r"(?P<open>[\[(])(?P<bounds>[^\[\]()]*)(?P<close>[\])])")
_LATEST: Final = frozenset({"LATEST", "RELEASE"})


@dataclass(frozen=True, slots=True)
class MavenRequirement:
    """What one module asks of one artifact. `name` is `group:artifact`, then type and classifier where they differ."""

    party: Party
    name: str
    text: str


@lru_cache(maxsize=8192)
def maven_range(text: str) -> MavenRange | None:
    """The set that a range spells; None for a plain version. Raises `MetaQoreError` `requirement_invalid`."""
    check_requirement(text)
    spend(4 + 12 * clauses_of(text))
    spelled = text.strip()
    if not spelled.startswith(("[", "(")):
        if not spelled or re.search(r"[\[\](),\s]", spelled):
            raise _invalid(text)
        return None
    parts: list[Interval[_Point]] = []
    while spelled:
        match = _PART.match(spelled)
        if match is None:
            raise _invalid(text)
        parts.append(_interval(match, text))
        spelled = spelled[match.end() :].lstrip()
        if spelled:
            spelled = spelled.removeprefix(",").lstrip()
    return Intervals.of(parts)


def _interval(match: re.Match[str], text: str) -> Interval[_Point]:
    low_in, high_in = match["open"] == "[", match["close"] == "]"
    bounds = [bound.strip() for bound in match["bounds"].split(",")]
    if len(bounds) == 1:
        if not (low_in and high_in and bounds[0]):
            raise _invalid(text)
        if bounds[0].endswith(".*"):
            prefix = bounds[0].removesuffix(".*")
            return Interval((maven_version(f"{prefix}.min"), 0), (maven_version(f"{prefix}.max"), 1))
        bounds *= 2
    if len(bounds) != 2:  # noqa: PLR2004 - from where to where
        raise _invalid(text)
    low, high = bounds
    if low and high and maven_version(high) < maven_version(low):
        raise _invalid(text)
    begin = (maven_version(low), 0 if low_in else 1) if low else (LOWEST, 0)
    return Interval(begin, (maven_version(high), 1 if high_in else 0) if high else None)


def _invalid(text: str) -> MetaQoreError:
    return MetaQoreError(
        "requirement_invalid", f"This is no version or range of Maven: {text!r}. Write 1.2, [1.2] or [1.2,2)."
    )


def maven_conflicts(key: str, requirements: Sequence[MavenRequirement]) -> list[Conflict]:
    """The conflict among all that ask for one artifact: ranges that exclude each other block, and mediation warns."""
    if _refused(requirements):
        core = smallest_clash(requirements, _refused)
        told = (
            f"{listed(_parties(core))}. Widen one of these ranges, supersede the version that declares it, or give it "
            "its own environment."
        )
        subject = "No version of" if len(core) == 1 else "No version at once of"
        explanation = f"{subject} {core[0].name} satisfies {told}"
        return [_conflict(ConflictType.MAVEN_RANGES, Severity.BLOCKING, key, requirements, core, explanation)]
    if _mediated(requirements):
        core = smallest_clash(requirements, _mediated)
        explanation = (
            f"Maven takes one version of {core[0].name} for all, and not everybody gets the one that it names: "
            f"{listed(_parties(core))}. Name the same version, or manage it in one place."
        )
        return [_conflict(ConflictType.MAVEN_NEAREST, Severity.WARNING, key, requirements, core, explanation)]
    return []


def _conflict(  # noqa: PLR0917 - what a conflict is made of
    type_: ConflictType,
    severity: Severity,
    key: str,
    requirements: Sequence[MavenRequirement],
    core: Sequence[MavenRequirement],
    explanation: str,
) -> Conflict:
    return make_conflict(
        type_,
        severity,
        key,
        parties=_parties(requirements),
        clashing=_parties(core),
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _parties(requirements: Sequence[MavenRequirement]) -> tuple[Party, ...]:
    return tuple(one.party for one in requirements)


def _refused(requirements: Sequence[MavenRequirement]) -> bool:
    """Whether no version is in all ranges."""
    met = _met(requirements)
    return met is not None and met.is_empty


def _mediated(requirements: Sequence[MavenRequirement]) -> bool:
    """Whether some plain version gives way: to another one, or to a range that it is not in."""
    met = _met(requirements)
    wished = [maven_version(one.text.strip()) for one in requirements if _is_wish(one)]
    if met is not None and any((version, 0) not in met for version in wished):
        return True
    return any(version != wished[0] for version in wished[1:])


def _is_wish(one: MavenRequirement) -> bool:
    return maven_range(one.text) is None and one.text.strip() not in _LATEST


def _met(requirements: Sequence[MavenRequirement]) -> MavenRange | None:
    met: MavenRange | None = None
    for text in dict.fromkeys(one.text for one in requirements):
        allowed = maven_range(text)
        if allowed is not None:
            met = allowed if met is None else met.meet(allowed)
    return met
