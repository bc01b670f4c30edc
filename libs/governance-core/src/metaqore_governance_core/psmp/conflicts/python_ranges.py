"""What a Python requirement allows (PEP 440, PEP 508): which versions, and where; each text is read once."""

from __future__ import annotations

import re
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

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.markers import ANYWHERE, Region, both, region_of
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement, clauses_of

NO_EXTRA: Final = "extra == ''"
_NUMBERS: Final = r"[0-9]+(?:\.[0-9]+)*"
_CLAUSE: Final = rf"(?:[=!]={_NUMBERS}(?:\.\*)?|(?:[<>]=?){_NUMBERS}|~=[0-9]+(?:\.[0-9]+)+)"
# Nearly all requirements are so plain; what the parser of all of PEP 508 does with them costs ten times as much.
_PLAIN: Final = re.compile(rf"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) *({_CLAUSE}(?: *, *{_CLAUSE})*)?")
_QUERY: Final = re.compile(r"[?#].*")


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The versions that some specifiers allow, `stable` without and `any_version` with pre-releases.

    Told apart by identity: the same specifiers are read once.
    """

    stable: VersionRange
    any_version: VersionRange
    names_prerelease: bool = False
    holes: int = 0
    """What `!=` leaves out: what takes long to compare is in as many parts, and one more."""


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """What a requirement allows, and where."""

    name: str
    region: Region
    ranges: Ranges
    url: str | None = None
    version_known: bool = True


@lru_cache(maxsize=16_384)
def allowed_where(text: str, environment: str) -> tuple[Allowed, Region]:
    """What `text` allows, and where it does within `environment`, a marker.

    Raises `MetaQoreError` `requirement_invalid` or `requirement_too_complex`.
    """
    allowed = _allowed(text)
    region = both(region_of(NO_EXTRA), region_of(environment)) if environment else region_of(NO_EXTRA)
    return allowed, both(region, allowed.region)


@lru_cache(maxsize=8192)
def _allowed(text: str) -> Allowed:
    check_requirement(text, python=True)
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        spend(10)
        return Allowed(canonicalize_name(plain[1]), ANYWHERE, ranges_of(plain[2] or ""))
    spend(60 + 10 * clauses_of(text))
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise MetaQoreError("requirement_invalid", f"This is no requirement: {text!r}. See PEP 508.") from error
    name = canonicalize_name(parsed.name)
    region = ANYWHERE if parsed.marker is None else region_of(str(parsed.marker))
    if parsed.url is not None:
        return _at_url(name, region, parsed.url)
    return Allowed(name, region, ranges_of(str(parsed.specifier)))


@lru_cache(maxsize=8192)
def ranges_of(specifiers: str) -> Ranges:
    """What these specifiers allow; many packages share the same few."""
    clauses = specifiers.count(",") + 1
    spend(10 + 15 * clauses + 2 * clauses**2)
    read = SpecifierSet(specifiers, prereleases=False)
    stable = read.to_range()
    read.prereleases = True
    holes = sum(one.operator == "!=" for one in read)
    return Ranges(stable, read.to_range(), any(_is_prerelease(one.version) for one in read), holes)


ANY: Final = ranges_of("")


def _at_url(name: str, region: Region, url: str) -> Allowed:
    file = file_named(url)
    if file is None:
        return Allowed(name, region, ANY, _same_url(url), version_known=False)
    known = file[1]
    stable, any_version = (VersionRange.singleton(known, prereleases=pre) for pre in (False, True))
    return Allowed(name, region, Ranges(stable, any_version, known.is_prerelease), _same_url(url))


def file_named(address: str) -> tuple[str, Version] | None:
    """The package and the version that a wheel's or a source archive's file name holds."""
    file = _QUERY.sub("", address).rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
    try:
        if file.endswith(".whl"):
            return parse_wheel_filename(file)[:2]
        if file.endswith((".tar.gz", ".zip")):
            return parse_sdist_filename(file)
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
