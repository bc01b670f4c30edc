"""Python requirements that no version satisfies together (PEP 440, PEP 508), as uv and pip would find.

Judged as if every version were published. Requirements whose markers cannot hold together are not compared.
Pre-releases count only where a requirement names one, as uv has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from packaging.ranges import VersionRange
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.cores import smallest_clash
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.markers import ANYWHERE, Region, both, region_of
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

MAX_CELLS: Final = 1024
NO_EXTRA: Final = "extra == ''"
_ANY: Final = SpecifierSet("", prereleases=True).to_range()
_ANY_STABLE: Final = SpecifierSet("", prereleases=False).to_range()
_QUERY: Final = re.compile(r"[?#].*")


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """What a requirement allows, and where. `stable` and `any_version` are without and with pre-releases."""

    name: str
    region: Region
    stable: VersionRange
    any_version: VersionRange
    names_prerelease: bool
    url: str | None = None
    version_known: bool = True
    clauses: int = 1


@dataclass(frozen=True, slots=True)
class PythonRequirement:
    """One requirement of one party, ready to be compared.

    `scope` is empty for what is always installed, and names the extra or group otherwise. `environment` is the marker
    that bounds where its manifest is used.
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
    return PythonRequirement(party, text, *_allowed_where(text, environment), scope, environment)


@lru_cache(maxsize=16_384)
def _allowed_where(text: str, environment: str) -> tuple[Allowed, Region]:
    allowed = _allowed(text)
    region = both(region_of(NO_EXTRA), region_of(environment)) if environment else region_of(NO_EXTRA)
    return allowed, both(region, allowed.region)


@lru_cache(maxsize=8192)
def _allowed(text: str) -> Allowed:
    check_requirement(text, python=True)
    spend(60 + 20 * clauses_of(text) + 10 * clauses_of(text) ** 2)
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise MetaQoreError("requirement_invalid", f"This is no requirement: {text!r}. See PEP 508.") from error
    name = canonicalize_name(parsed.name)
    region = ANYWHERE if parsed.marker is None else region_of(str(parsed.marker))
    if parsed.url is not None:
        return _at_url(name, region, parsed.url)
    return Allowed(name, region, *_ranges(str(parsed.specifier)), clauses=len(parsed.specifier))


@lru_cache(maxsize=8192)
def _ranges(specifiers: str) -> tuple[VersionRange, VersionRange, bool]:
    """What they allow without and with pre-releases, and whether they name one; many packages share the same few."""
    stable, any_version = (SpecifierSet(specifiers, prereleases=pre) for pre in (False, True))
    return stable.to_range(), any_version.to_range(), any(_is_prerelease(one.version) for one in stable)


def _at_url(name: str, region: Region, url: str) -> Allowed:
    known = _version_in(url)
    if known is None:
        return Allowed(name, region, _ANY_STABLE, _ANY, names_prerelease=False, url=_same_url(url), version_known=False)
    stable, any_version = (VersionRange.singleton(known, prereleases=pre) for pre in (False, True))
    return Allowed(name, region, stable, any_version, known.is_prerelease, _same_url(url))


def python_conflicts(key: str, requirements: Sequence[PythonRequirement]) -> list[Conflict]:
    """The conflicts among all requirements on one package of one environment, each with a smallest clashing part."""
    always = [one for one in requirements if not one.scope]
    found = _judge(key, always, Severity.BLOCKING)
    if any(one.blocks for one in found):
        return found
    scopes = sorted({one.scope for one in requirements if one.scope})
    for scope in scopes:
        in_scope = [one for one in requirements if one.scope in {"", scope}]
        found += _judge(key, in_scope, Severity.BLOCKING)
    if not any(one.blocks for one in found) and len(scopes) > 1:
        found += _judge(key, requirements, Severity.WARNING)
    return list({one.id: one for one in found}.values())


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
    for one in requirements:
        if one.allowed.version_known:
            continue
        spend(len(requirements))
        others = [
            other
            for other in requirements
            if other.allowed.version_known and other.allowed.any_version != _ANY and both(one.region, other.region)
        ]
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


@dataclass(frozen=True, slots=True)
class _Cell:
    """What the requirements that hold in some part of the environments allow there together."""

    members: tuple[PythonRequirement, ...] = ()
    stable: VersionRange = _ANY_STABLE
    any_version: VersionRange = _ANY
    names_prerelease: bool = False
    clauses: int = 0

    def with_(self, more: Iterable[PythonRequirement]) -> _Cell:
        known = {id(one) for one in self.members}
        new = tuple(one for one in more if id(one) not in known)
        stable, any_version, clauses = self.stable, self.any_version, self.clauses
        spend(len(self.members))
        for allowed in {id(one.allowed): one.allowed for one in new}.values():
            clauses += allowed.clauses
            spend(4 + 6 * clauses)
            stable, any_version = stable & allowed.stable, any_version & allowed.any_version
        names_prerelease = self.names_prerelease or any(one.allowed.names_prerelease for one in new)
        return _Cell((*self.members, *new), stable, any_version, names_prerelease, clauses)

    @property
    def is_empty(self) -> bool:
        return (self.any_version if self.names_prerelease else self.stable).is_empty


def smallest_python_clash(requirements: Sequence[PythonRequirement]) -> list[PythonRequirement]:
    """A smallest part of `requirements` that some environment needs together and no version satisfies, or none.

    Raises `MetaQoreError` `requirements_too_complex` where their markers make more than `MAX_CELLS` different cases.
    """
    if _some_stable_version_suits_all(frozenset([one.allowed for one in requirements])):
        return []
    cells: dict[Region, _Cell] = {region_of(NO_EXTRA): _Cell()}
    for one in requirements:
        spend(2 * len(cells))
        for region, cell in list(cells.items()):
            shared = both(region, one.region)
            if not shared:
                continue
            cells[shared] = cells.get(shared, cell).with_((*cell.members, one))
            if cells[shared].is_empty:
                return smallest_clash(cells[shared].members, lambda part: _Cell().with_(part).is_empty)
        if len(cells) > MAX_CELLS:
            raise MetaQoreError(
                "requirements_too_complex",
                f"The markers on {one.name} make too many cases. Use fewer different markers, or several environments.",
                kind=ErrorKind.UNPROCESSABLE,
            )
    return []


@lru_cache(maxsize=4096)
def _some_stable_version_suits_all(all_allowed: frozenset[Allowed]) -> bool:
    """The usual case, wherever they apply. What is allowed is told apart by identity, which the cache keeps."""
    met, clauses = _ANY_STABLE, 0
    for one in {id(allowed.stable): allowed for allowed in all_allowed}.values():
        clauses += one.clauses
        spend(2 + 4 * clauses)
        met &= one.stable
    return not met.is_empty


def _two_urls(requirements: Sequence[PythonRequirement]) -> tuple[PythonRequirement, PythonRequirement] | None:
    with_url = [one for one in requirements if one.allowed.url is not None]
    for at, one in enumerate(with_url):
        spend(len(with_url) - at)
        for other in with_url[at + 1 :]:
            if one.allowed.url != other.allowed.url and both(one.region, other.region):
                return one, other
    return None


def _version_in(url: str) -> Version | None:
    """The version that a wheel's or a source archive's file name holds."""
    file = _QUERY.sub("", url).rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
    try:
        if file.endswith(".whl"):
            return parse_wheel_filename(file)[1]
        if file.endswith((".tar.gz", ".zip")):
            return parse_sdist_filename(file)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        pass
    return None


def _same_url(url: str) -> str:
    """The place alone: hashes in the fragment do not make it another."""
    place, _, fragment = url.partition("#")
    subdirectory = [one for one in fragment.split("&") if one.startswith("subdirectory=")]
    return "#".join((place, *subdirectory))


def _is_prerelease(version: str) -> bool:
    try:
        return Version(version.removesuffix(".*")).is_prerelease
    except InvalidVersion:
        return False
