"""The conflicts of one declaration with everything that shares a key with it, judged over all parties at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink, link_conflicts
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_conflicts
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, Declaration, Entry, KeyKind
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmRequirement, npm_conflicts
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold, ownership_conflicts
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, path_conflicts
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_conflicts

T = TypeVar("T", PathClaim, PythonRequirement, NpmRequirement, CargoRequirement, CargoLink, TaskHold)


def conflicts_of(declaration: Declaration, shared: Mapping[ConflictKey, Iterable[Entry]]) -> tuple[Conflict, ...]:
    """Every conflict that `declaration` is part of, in order of their ids.

    `shared` holds the entries under the keys of `declaration.read()`, of all that stand: active and proposed versions.
    Entries of the same artifact are passed over, since its versions succeed each other.
    """
    own = declaration.party.artifact
    standing = {key: [entry for entry in entries if entry.party.artifact != own] for key, entries in shared.items()}
    mine: dict[ConflictKey, list[Entry]] = {}
    for key, entry in declaration.stored():
        mine.setdefault(key, []).append(entry)
    found = [
        *_of_paths(own, declaration, standing),
        *_of_tasks(own, declaration, standing),
    ]
    for key, entries in sorted(mine.items()):
        found += _of_package(own, key, [*standing.get(key, []), *entries])
    return tuple(sorted({one.id: one for one in found}.values(), key=lambda one: one.id))


def _of_paths(own: str, declaration: Declaration, standing: Mapping[ConflictKey, Sequence[Entry]]) -> list[Conflict]:
    kinds = {KeyKind.PATH, KeyKind.BELOW}
    others = [entry for key, entries in standing.items() if key.kind in kinds for entry in entries]
    claims = _only(PathClaim, dict.fromkeys([*others, *declaration.entries]))
    return [one for one in path_conflicts(claims) if _includes(own, one)]


def _of_tasks(own: str, declaration: Declaration, standing: Mapping[ConflictKey, Sequence[Entry]]) -> list[Conflict]:
    others = [entry for key, entries in standing.items() if key.kind is KeyKind.TASK for entry in entries]
    return _with_own(own, _only(TaskHold, [*others, *declaration.entries]), ownership_conflicts)


def _of_package(own: str, key: ConflictKey, entries: Sequence[Entry]) -> list[Conflict]:
    name = str(key)
    match key.kind:
        case KeyKind.PYTHON:
            return _with_own(own, _only(PythonRequirement, entries), lambda some: python_conflicts(name, some))
        case KeyKind.NPM:
            return _with_own(own, _only(NpmRequirement, entries), lambda some: npm_conflicts(name, some))
        case KeyKind.CARGO:
            return _with_own(own, _only(CargoRequirement, entries), lambda some: cargo_conflicts(name, some))
        case KeyKind.CARGO_LINKS:
            return _with_own(own, _only(CargoLink, entries), lambda some: link_conflicts(name, some))
        case _:
            return []


def _only(class_: type[T], entries: Iterable[Entry]) -> list[T]:
    return [entry for entry in entries if isinstance(entry, class_)]


def _includes(own: str, conflict: Conflict) -> bool:
    return any(party.artifact == own for party in conflict.clashing)


def _with_own(own: str, entries: Sequence[T], judge: Callable[[Sequence[T]], list[Conflict]]) -> list[Conflict]:
    """The conflicts that the artifact `own` is part of.

    Where others clash without it, that is theirs: one of them is left out and the rest is judged again, so that nobody
    is stopped for a clash of two others, and none hides one's own.
    """
    remaining = list(entries)
    while True:
        found = judge(remaining)
        of_own = [one for one in found if _includes(own, one)]
        if of_own or not found:
            return of_own
        left_out = found[0].clashing[-1]
        remaining = [entry for entry in remaining if entry.party != left_out]
