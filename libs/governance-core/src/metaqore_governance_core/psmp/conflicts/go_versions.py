"""Versions of Go modules, and of Go itself, in their order.

Sources: "Versions" in the Go Modules Reference (Semantic Versioning 2.0 behind a `v`), and "Go Toolchains", where a
language version comes before its release candidates and its first release.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement

_MODULE: Final = re.compile(
    r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
_GO: Final = re.compile(r"(\d+)(?:\.(\d+)(?:\.(\d+)|((?:alpha|beta|rc)\d+))?)?", re.ASCII)
_MAJOR: Final = re.compile(r"/v([2-9]|[1-9]\d+)\Z", re.ASCII)
_MAJOR_OF_GOPKG: Final = re.compile(r"\.v(0|[1-9]\d*)(?:-unstable)?\Z", re.ASCII)
_FIRST_WITH_RELEASES: Final = (1, 21)
"""Before this, 1.20 meant its first release; from here on it means the language alone."""

GoOrder: TypeAlias = tuple[object, ...]


@lru_cache(maxsize=8192)
def module_version(text: str) -> GoOrder:
    """What orders a module's versions. Raises `MetaQoreError` `requirement_invalid`."""
    check_requirement(text)
    match = _MODULE.fullmatch(text)
    if match is None:
        raise MetaQoreError("requirement_invalid", f"This is no version of a Go module: {text!r}. Write v1.2.3.")
    numbers = tuple(int(part) for part in match.group(1, 2, 3))
    if match[4] is None:
        return (*numbers, 1)
    parts = tuple((0, int(one), "") if one.isdecimal() else (1, 0, one) for one in match[4].split("."))
    return (*numbers, 0, parts)


def check_major(module: str, text: str) -> None:
    """Refuse a version whose major the module's path does not name: `/v2`, and `.v1` of gopkg.in.

    Raises `MetaQoreError` `requirement_invalid`. Source: `CheckPathMajor` of golang.org/x/mod/module.
    """
    major = module_version(text)[0]
    named = _MAJOR_OF_GOPKG.search(module) if module.startswith("gopkg.in/") else _MAJOR.search(module)
    if named is None:
        fits = major in {0, 1} or text.endswith("+incompatible")
    else:
        fits = major == int(named[1]) or (named[1] == "1" and text.startswith("v0.0.0-"))
    if not fits:
        raise MetaQoreError("requirement_invalid", f"The path of the Go module {module!r} is not that of {text}.")


@lru_cache(maxsize=1024)
def go_version(text: str) -> GoOrder:
    """What orders versions of Go: 1.20, 1.21rc2, 1.21.0. Raises `MetaQoreError` `requirement_invalid`."""
    check_requirement(text)
    match = _GO.fullmatch(text)
    if match is None:
        raise MetaQoreError("requirement_invalid", f"This is no version of Go: {text!r}. Write 1.22 or 1.22.1.")
    major, minor = int(match[1]), int(match[2] or 0)
    if match[3] is not None:
        return (major, minor, int(match[3]), "", 0)
    if match[4] is not None:
        kind = match[4].rstrip("0123456789")
        return (major, minor, -1, kind, int(match[4].removeprefix(kind)))
    patch = 0 if (major, minor) < _FIRST_WITH_RELEASES else -1
    return (major, minor, patch, "", 0)
