"""What the modules of one Go workspace ask of one module, and what Go refuses of it.

An environment is one workspace: all its modules are built together. Minimal version selection takes the largest of the
minimums, so that versions alone never clash. Go refuses where two modules replace a third by different things, where
all that is required is excluded, and where a module needs a newer Go than the workspace's `go.work` names. What
`go.work` itself replaces counts for all. Sources: "go.mod files", "Workspaces" and "Minimal version selection" in the
Go Modules Reference; "Go Toolchains"; and the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from metaqore_governance_core.psmp.conflicts.cores import smallest_clash
from metaqore_governance_core.psmp.conflicts.go_versions import go_version, module_version
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)

_STRICT: Final = go_version("1.21")
"""What names an older Go than this was never refused."""

GO: Final = "go"
"""The name under which versions of Go itself meet; no module has it."""


class GoKind(StrEnum):
    """Which directive says it. The last two are those of a `go.work`."""

    REQUIRE = "require"
    EXCLUDE = "exclude"
    REPLACE = "replace"
    GO = "go"
    WORK_REPLACE = "work_replace"
    WORK_GO = "work_go"


@dataclass(frozen=True, slots=True)
class GoRequirement:
    """What one file says of a module, or of Go itself.

    `text` is a version. Of a replacement it is the version that is replaced, empty for all, and `target` what takes its
    place: `path version`, or a folder of the project.
    """

    party: Party
    name: str
    text: str
    kind: GoKind = GoKind.REQUIRE
    target: str = ""


def go_conflicts(key: str, requirements: Sequence[GoRequirement]) -> list[Conflict]:
    """The conflicts among all that is said of one module, or of Go, in one workspace."""
    found: list[Conflict] = []
    for type_, severity, clash, told in _RULES:
        if clash(requirements):
            core = smallest_clash(requirements, clash)
            clashing = tuple(one.party for one in core)
            found.append(
                make_conflict(
                    type_,
                    severity,
                    key,
                    parties=tuple(one.party for one in requirements),
                    clashing=clashing,
                    suggestion=Choice.MANUAL,
                    explanation=told.format(name=core[0].name, who=listed(clashing)),
                )
            )
    blocking = [one for one in found if one.blocks]
    return blocking or found


def _replaced_differently(requirements: Sequence[GoRequirement]) -> bool:
    settled = {one.text for one in requirements if one.kind is GoKind.WORK_REPLACE}
    if "" in settled:
        return False
    targets: dict[str, set[str]] = {}
    for one in requirements:
        if one.kind is GoKind.REPLACE and one.text not in settled:
            targets.setdefault(one.text, set()).add(one.target)
    if any(len(several) > 1 for several in targets.values()):
        return True
    for_all = targets.pop("", set())
    needed = set(_required(requirements))
    return bool(for_all) and any(several != for_all for version, several in targets.items() if version in needed)


def _all_excluded(requirements: Sequence[GoRequirement]) -> bool:
    required = _required(requirements)
    return bool(required) and not _remaining(requirements)


def _some_excluded(requirements: Sequence[GoRequirement]) -> bool:
    return len(set(_remaining(requirements))) < len(set(_required(requirements)))


def _minimums_differ(requirements: Sequence[GoRequirement]) -> bool:
    return len({module_version(text) for text in _remaining(requirements)}) > 1


def _needs_newer_go(requirements: Sequence[GoRequirement]) -> bool:
    most = [go_version(one.text) for one in requirements if one.kind is GoKind.WORK_GO]
    needed = [go_version(one.text) for one in requirements if one.kind is GoKind.GO]
    return bool(most) and any(max(most) < one for one in needed if not one < _STRICT)


def _required(requirements: Sequence[GoRequirement]) -> list[str]:
    return [one.text for one in requirements if one.kind is GoKind.REQUIRE]


def _remaining(requirements: Sequence[GoRequirement]) -> list[str]:
    excluded = {one.text for one in requirements if one.kind is GoKind.EXCLUDE}
    return [text for text in _required(requirements) if text not in excluded]


_Rule = tuple[ConflictType, Severity, Callable[[Sequence[GoRequirement]], bool], str]
_RULES: Final[tuple[_Rule, ...]] = (
    (
        ConflictType.GO_REPLACED,
        Severity.BLOCKING,
        _replaced_differently,
        "Go refuses a workspace that replaces {name} in two ways: {who}. Agree on one, or replace it in go.work.",
    ),
    (
        ConflictType.GO_EXCLUDED,
        Severity.BLOCKING,
        _all_excluded,
        "All versions of {name} that are required are excluded: {who}. Require another, or drop the exclusion.",
    ),
    (
        ConflictType.GO_TOOLCHAIN,
        Severity.BLOCKING,
        _needs_newer_go,
        "A module needs a newer Go than its go.work names: {who}. Raise the go line of go.work, or lower the module's.",
    ),
    (
        ConflictType.GO_EXCLUDED,
        Severity.WARNING,
        _some_excluded,
        "Go passes over a required version of {name} that is excluded, and takes another: {who}. Require that one.",
    ),
    (
        ConflictType.GO_MINIMUM,
        Severity.WARNING,
        _minimums_differ,
        "Go takes the largest version of {name} that anybody requires: {who}. Require that one, or see that it suits.",
    ),
)
