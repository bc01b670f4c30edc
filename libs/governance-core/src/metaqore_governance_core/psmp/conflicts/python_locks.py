"""Python lock files as requirements: what they pin is what stands in the environment, transitive packages too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.documents import check_size, toml_document
from metaqore_governance_core.psmp.conflicts.effort import TOO_COMPLEX, spend
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, manifest_invalid
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.python_requirements import python_requirement

PYTHON_LOCKS: Final = ("pylock.toml", "poetry.lock", "uv.lock")
# The files of each package, a line each, are most of a lock file, and most of the time that it takes to parse.
_FILES: Final = re.compile(
    r"^(wheels|files|dependencies) = \[\r?\n(?:[ \t]+\{[^\n]*\},?\r?\n)+\](?=\r?$)", re.MULTILINE
)


def python_lock(party: Party, text: str, name: str) -> Manifest:
    """The packages that a lock file pins: `pylock.toml` (PEP 751), Poetry's or uv's.

    What has no version, such as a project's own directory, is passed over; a package that stands there several times,
    for different places, is left to its markers where it has them, and else unread, as is one whose markers are too
    many to read. Raises `MetaQoreError` `manifest_invalid`.
    """
    check_size(text, name)
    document = toml_document(_FILES.sub(r"\1 = []", text), name)
    pinned = list(_pinned(document, name))
    counts: dict[str, int] = {}
    for package, _, _ in pinned:
        counts[package] = counts.get(package, 0) + 1
    entries, unread = [], []
    for package, version, marker in pinned:
        spend(3)
        line = f"{package}=={version}" + (f" ; {marker}" if marker else "")
        if counts[package] > 1 and not marker:
            unread.append(line)
            continue
        try:
            entries.append(python_requirement(replace(party, declares=f"locks {line}"), line))
        except MetaQoreError as error:
            if not marker or error.code == TOO_COMPLEX:
                raise
            unread.append(line)
    return Manifest(tuple(entries), unread=tuple(unread))


def _pinned(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, str]]:
    packages = document.get("packages", document.get("package", []))
    if not isinstance(packages, list):
        raise manifest_invalid(name, "its packages are no list")
    for one in packages:
        if not isinstance(one, dict):
            raise manifest_invalid(name, "a package is no table")
        package, version = one.get("name"), one.get("version")
        if isinstance(package, str) and isinstance(version, str) and "directory" not in one and not _is_own(one):
            yield package, version, _marker(one)


def _marker(package: Mapping[str, Any]) -> str:
    """Where it is installed: by PEP 751, by Poetry, for all or for each of its groups, and by uv where it forks."""
    told, forks = package.get("marker", package.get("markers")), package.get("resolution-markers")
    if isinstance(told, dict):
        groups = package.get("groups")
        forks = [told.get(group) for group in groups] if isinstance(groups, list) else None
    if isinstance(told, str):
        return told
    if not isinstance(forks, list) or not forks or not all(isinstance(one, str) and one for one in forks):
        return ""
    return " or ".join(f"({one})" for one in dict.fromkeys(forks)) if len(forks) > 1 else str(forks[0])


def _is_own(package: Mapping[str, Any]) -> bool:
    """Whether it is the project itself, as uv's lock file has it among the packages."""
    source = package.get("source")
    return isinstance(source, dict) and bool({"editable", "virtual", "directory"} & source.keys())
