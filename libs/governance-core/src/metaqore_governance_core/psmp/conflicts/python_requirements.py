"""Python requirements that no version satisfies together (PEP 440, PEP 508), as uv and pip would find.

Judged as if every version were published. Requirements whose markers cannot hold together are not compared.
Pre-releases count only where a requirement names one, as uv has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from packaging.ranges import VersionRange

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.cores import first_of_each, smallest_clash
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.markers import Region, both, region_of
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)
from metaqore_governance_core.psmp.conflicts.python_ranges import ANY, NO_EXTRA, Allowed, Ranges, allowed_where

MAX_CELLS: Final = 1024


@dataclass(frozen=True, slots=True)
class PythonRequirement:
    """One requirement of one party, ready to be compared.

    `scope` is empty for what is always installed, and names the extra or group of its artifact otherwise. `environment`
    is the marker that bounds where its manifest is used.
    """

    party: Party
    text: str
    allowed: Allowed
    region: Region
    scope: str = ""
    environment: str = ""

    @property
    def name(self) -> str:
        """The package's normalized name."""
        return self.allowed.name


def python_requirement(party: Party, text: str, *, scope: str = "", environment: str = "") -> PythonRequirement:
    """The requirement that `text` spells. `environment` is a marker that bounds where its manifest is used.

    Raises `MetaQoreError` `requirement_invalid` or `requirement_too_complex`.
    """
    return PythonRequirement(party, text, *allowed_where(text, environment), scope, environment)


def suit_all(requirements: Iterable[PythonRequirement]) -> bool:
    """Whether surely no choice among these clashes, wherever they apply: the usual case. No is no verdict."""
    ranges: set[Ranges] = set()
    for one in requirements:
        if one.allowed.url is not None:
            return False
        ranges.add(one.allowed.ranges)
    return _some_stable_version_is_in(frozenset(ranges))


def python_conflicts(key: str, requirements: Sequence[PythonRequirement]) -> list[Conflict]:
    """The conflicts among all requirements on one package of one environment, each with a smallest clashing part."""
    always = [one for one in requirements if not one.scope]
    found = _judge(key, always, Severity.BLOCKING)
    if any(one.blocks for one in found):
        return found
    scopes: dict[tuple[str, str], list[PythonRequirement]] = {}
    for one in requirements:
        if one.scope:
            scopes.setdefault(_scope(one), []).append(one)
    distinct = first_of_each(always, lambda one: one.allowed)
    for scope in sorted(scopes):
        if not suit_all([*distinct, *scopes[scope]]):
            in_scope = [one for one in requirements if not one.scope or _scope(one) == scope]
            found += _judge(key, in_scope, Severity.BLOCKING)
    if not any(one.blocks for one in found) and len(scopes) > 1:
        found += _judge(key, requirements, Severity.WARNING)
    return list({one.id: one for one in found}.values())


def _scope(one: PythonRequirement) -> tuple[str, str]:
    """Whose extra or group: each project has its own `dev`."""
    return one.party.artifact, one.scope


def _judge(key: str, requirements: Sequence[PythonRequirement], severity: Severity) -> list[Conflict]:
    spend(len(requirements))
    parties = tuple(one.party for one in requirements)
    urls = _two_urls(requirements)
    if urls:
        clashing = tuple(one.party for one in urls)
        explanation = (
            f"{urls[0].name} cannot come from two places at once: {listed(clashing)}. "
            "Agree on one of them, or give one its own environment."
        )
        return [
            make_conflict(
                ConflictType.PYTHON_URLS,
                severity,
                key,
                parties=parties,
                clashing=clashing,
                suggestion=Choice.KEEP_EXISTING,
                explanation=explanation,
            )
        ]
    core = smallest_python_clash(requirements)
    if core:
        return [_no_version(key, parties, core, severity)]
    return _unknown(key, parties, requirements)


def _no_version(
    key: str, parties: tuple[Party, ...], core: Sequence[PythonRequirement], severity: Severity
) -> Conflict:
    clashing = tuple(one.party for one in core)
    subject = "No version" if len(core) == 1 else "No version at once"
    explanation = (
        f"{subject} of {core[0].name} satisfies {listed(clashing)}. "
        "Widen one of these ranges, supersede the version that declares it, or give it its own environment."
    )
    return make_conflict(
        ConflictType.PYTHON_VERSIONS,
        severity,
        key,
        parties=parties,
        clashing=clashing,
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _unknown(key: str, parties: tuple[Party, ...], requirements: Sequence[PythonRequirement]) -> list[Conflict]:
    """Whether a version that only its source knows has to satisfy somebody's range."""
    unknown = [one for one in requirements if not one.allowed.version_known]
    for one in first_of_each(unknown, lambda requirement: requirement.region):
        spend(len(requirements))
        others = [other for other in requirements if _bounds(other.allowed) and both(one.region, other.region)]
        if others:
            clashing = (one.party, others[0].party)
            explanation = (
                f"The address of {one.name} does not tell its version, which others bound: {listed(clashing)}. "
                "Name a file whose name holds the version, or check that it suits them."
            )
            return [
                make_conflict(
                    ConflictType.PYTHON_UNKNOWN_VERSION,
                    Severity.WARNING,
                    key,
                    parties=parties,
                    clashing=clashing,
                    suggestion=Choice.MANUAL,
                    explanation=explanation,
                )
            ]
    return []


def _bounds(allowed: Allowed) -> bool:
    return allowed.version_known and allowed.ranges.any_version != ANY.any_version


@dataclass(frozen=True, slots=True)
class _Cell:
    """What the requirements that hold in some part of the environments allow there together."""

    members: tuple[PythonRequirement, ...] = ()
    stable: VersionRange = ANY.stable
    any_version: VersionRange = ANY.any_version
    names_prerelease: bool = False
    holes: int = 0

    def with_(self, more: Iterable[PythonRequirement]) -> _Cell:
        known = {id(one) for one in self.members}
        new = tuple(one for one in more if id(one) not in known)
        stable, any_version, holes = self.stable, self.any_version, self.holes
        spend(len(self.members))
        ranges = dict.fromkeys(one.allowed.ranges for one in new)
        for one in ranges:
            holes += one.holes
            spend(4 + 6 * holes)
            stable, any_version = stable & one.stable, any_version & one.any_version
        names_prerelease = self.names_prerelease or any(one.names_prerelease for one in ranges)
        return _Cell((*self.members, *new), stable, any_version, names_prerelease, holes)

    @property
    def is_empty(self) -> bool:
        return (self.any_version if self.names_prerelease else self.stable).is_empty


def smallest_python_clash(requirements: Sequence[PythonRequirement]) -> list[PythonRequirement]:
    """A smallest part of `requirements` that some environment needs together and no version satisfies, or none.

    Raises `MetaQoreError` `requirements_too_complex` where their markers make more than `MAX_CELLS` different cases.
    """
    if _some_stable_version_is_in(frozenset([one.allowed.ranges for one in requirements])):
        return []
    cells: dict[Region, _Cell] = {region_of(NO_EXTRA): _Cell()}
    newest: dict[tuple[Ranges, Region], PythonRequirement] = {}
    for one in requirements:
        known = newest.pop(_alike(one), None)
        newest[_alike(one)] = one
        if known is not None:
            continue
        spend(2 * len(cells))
        for region, cell in list(cells.items()):
            shared = both(region, one.region)
            if not shared:
                continue
            cells[shared] = cells.get(shared, cell).with_((*cell.members, one))
            if cells[shared].is_empty:
                forms = {_alike(member) for member in cells[shared].members}
                members = [member for form, member in newest.items() if form in forms]
                return smallest_clash(members, lambda part: _Cell().with_(part).is_empty)
        if len(cells) > MAX_CELLS:
            raise MetaQoreError(
                "requirements_too_complex",
                f"The markers on {one.name} make too many cases. Use fewer different markers, or several environments.",
                kind=ErrorKind.UNPROCESSABLE,
            )
    return []


def _alike(one: PythonRequirement) -> tuple[Ranges, Region]:
    """What tells apart those that make different clashes."""
    return one.allowed.ranges, one.region


@lru_cache(maxsize=4096)
def _some_stable_version_is_in(all_ranges: frozenset[Ranges]) -> bool:
    met, holes = ANY.stable, 0
    for one in all_ranges:
        holes += one.holes
        spend(6 + 4 * holes)
        met &= one.stable
    return not met.is_empty


def _two_urls(requirements: Sequence[PythonRequirement]) -> tuple[PythonRequirement, PythonRequirement] | None:
    with_url = first_of_each(
        (one for one in requirements if one.allowed.url is not None), lambda one: (one.allowed.url, one.region)
    )
    for at, one in enumerate(with_url):
        spend(len(with_url) - at)
        for other in with_url[at + 1 :]:
            if one.allowed.url != other.allowed.url and both(one.region, other.region):
                return one, other
    return None
