"""Whether a manifest in a folder is a member of a tree: some manifest above it names its folder among its workspaces.

npm takes any other folder with a manifest as the root of a tree of its own. Source: npm's `@npmcli/map-workspaces`; of
its patterns braces are read as a star, so that rather too many folders are members than too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from metaqore_governance_core.psmp.conflicts.effort import spend

TREE: Final = "."
"""The name under which workspaces are declared: no package can have it."""

_START: Final = re.compile(r"\A\.?/+")
_BRACES: Final = re.compile(r"\{[^{}]*\}")


def patterns_of(document: Mapping[str, Any]) -> list[str]:
    """The patterns of a manifest's `workspaces`, in their order."""
    named = document.get("workspaces")
    listed = named.get("packages") if isinstance(named, dict) else named
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def is_member(manifest: str, trees: Iterable[tuple[str, str]]) -> bool:
    """Whether one of `trees`, each a manifest above and a pattern of its workspaces, has the folder of `manifest`."""
    folder = manifest.rpartition("/")[0]
    patterns: dict[str, list[str]] = {}
    for above, pattern in trees:
        patterns.setdefault(above.rpartition("/")[0], []).append(pattern)
    return any(
        _names(wanted, folder[len(top) + 1 :] if top else folder)
        for top, wanted in patterns.items()
        if folder != top and (not top or folder.startswith(f"{top}/"))
    )


def _names(patterns: Sequence[str], folder: str) -> bool:
    """Some pattern has it, and none that begins with `!`: those are lifted by a later one that they would take out."""
    wanted: list[list[str]] = []
    unwanted: list[list[str]] = []
    for pattern in patterns:
        bare = pattern.lstrip("!")
        parts = _BRACES.sub("*", _START.sub("", bare)).rstrip("/").split("/")
        if (len(pattern) - len(bare)) % 2:
            unwanted.append(parts)
        else:
            unwanted = [one for one in unwanted if not _matches(one, parts)]
            wanted.append(parts)
    folders = folder.split("/")
    return any(_matches(one, folders) for one in wanted) and not any(_matches(one, folders) for one in unwanted)


def _matches(pattern: Sequence[str], folders: Sequence[str]) -> bool:
    """Part by part; `**` is any number of folders."""
    spend(len(pattern) * (len(folders) + 1))
    ends = {0}
    for part in pattern:
        if part == "**":
            ends = set(range(min(ends), len(folders) + 1)) if ends else ends
        else:
            ends = {at + 1 for at in ends if at < len(folders) and fnmatchcase(folders[at], part)}
    return len(folders) in ends
