"""The conflicts of one declaration with everything that shares a key with it, judged over all parties at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink, link_conflicts
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_conflicts
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, Declaration, Entry, KeyKind
from metaqore_governance_core.psmp.conflicts.effort import bounded_effort
from metaqore_governance_core.psmp.conflicts.go_requirements import GoRequirement, go_conflicts
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement, maven_conflicts
from metaqore_governance_core.psmp.conflicts.model import Conflict, of_project
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmRequirement, lone_override_conflicts, npm_conflicts
from metaqore_governance_core.psmp.conflicts.npm_workspaces import TREE
from metaqore_governance_core.psmp.conflicts.own_clashes import includes, own_clashes
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold, ownership_conflicts
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, path_conflicts
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_conflicts, suit_all

T = TypeVar(
    "T",
    PathClaim,
    PythonRequirement,
    NpmRequirement,
    CargoRequirement,
    CargoLink,
    MavenRequirement,
    GoRequirement,
    TaskHold,
)


def conflicts_of(declaration: Declaration, shared: Mapping[ConflictKey, Iterable[Entry]]) -> tuple[Conflict, ...]:
    """Every conflict that `declaration` is part of, in order of their ids.

    `shared` holds the entries under the keys of `declaration.read()`, of all that stand: active and proposed versions.
    Versions of one artifact succeed each other: they are never judged together, and the artifact's own not at all.
    Raises `MetaQoreError` `requirements_too_complex` where it would take too long.
    """
    with bounded_effort():
        return _conflicts_of(declaration, shared)


def _conflicts_of(declaration: Declaration, shared: Mapping[ConflictKey, Iterable[Entry]]) -> tuple[Conflict, ...]:
    own = declaration.party.artifact
    found = [*_of_paths(own, declaration, shared), *_of_tasks(own, declaration, shared)]
    mine: dict[ConflictKey, list[Entry]] = {}
    for key, entry in declaration.packages():
        mine.setdefault(key, []).append(entry)
    for key, entries in sorted(mine.items()):
        others = shared.get(key, ())
        if not _all_suit(key, (*others, *entries)):
            found += _of_package(own, key, _without(own, others), entries)
        if key.kind is KeyKind.NPM:
            trees = (*_without(own, shared.get(declaration.tree, ())), *mine.get(declaration.tree, ()))
            found += lone_override_conflicts(str(key), _only(NpmRequirement, entries), _only(NpmRequirement, trees))
    ours = [of_project(one, declaration.organization, declaration.project) for one in found]
    return tuple(sorted({one.id: one for one in ours}.values(), key=lambda one: one.id))


def _of_paths(own: str, declaration: Declaration, shared: Mapping[ConflictKey, Iterable[Entry]]) -> list[Conflict]:
    others = _without(own, _under(shared, KeyKind.PATH, KeyKind.BELOW))
    if not others:
        return []
    claims = _only(PathClaim, dict.fromkeys([*others, *declaration.entries]))
    return [one for one in path_conflicts(claims) if includes(own, one)]


def _of_tasks(own: str, declaration: Declaration, shared: Mapping[ConflictKey, Iterable[Entry]]) -> list[Conflict]:
    mine = _only(TaskHold, declaration.entries)
    if not mine:
        return []
    others = _without(own, _under(shared, KeyKind.TASK))
    return own_clashes(own, _only(TaskHold, others), mine, ownership_conflicts)


def _under(shared: Mapping[ConflictKey, Iterable[Entry]], *kinds: KeyKind) -> Iterator[Entry]:
    return (entry for key, entries in shared.items() if key.kind in kinds for entry in entries)


def _without(own: str, entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.party.artifact != own]


def _all_suit(key: ConflictKey, entries: Iterable[Entry]) -> bool:
    """The usual case, where it is told from all at once: then no choice among them clashes either."""
    return key.kind is KeyKind.PYTHON and suit_all(_only(PythonRequirement, entries))


def _of_package(  # noqa: PLR0911 - one return an ecosystem
    own: str, key: ConflictKey, others: Iterable[Entry], mine: Iterable[Entry]
) -> list[Conflict]:
    match key.kind:
        case KeyKind.PYTHON:
            return _judged(own, key, PythonRequirement, python_conflicts, others, mine)
        case KeyKind.NPM if key.name != TREE:
            return _judged(own, key, NpmRequirement, npm_conflicts, others, mine)
        case KeyKind.CARGO:
            return _judged(own, key, CargoRequirement, cargo_conflicts, others, mine)
        case KeyKind.CARGO_LINKS:
            return _judged(own, key, CargoLink, link_conflicts, others, mine)
        case KeyKind.MAVEN:
            return _judged(own, key, MavenRequirement, maven_conflicts, others, mine)
        case KeyKind.GO:
            return _judged(own, key, GoRequirement, go_conflicts, others, mine)
        case _:
            return []


def _judged(  # noqa: PLR0917 - what is judged, how, and for whom
    own: str,
    key: ConflictKey,
    class_: type[T],
    judge: Callable[[str, Sequence[T]], list[Conflict]],
    others: Iterable[Entry],
    mine: Iterable[Entry],
) -> list[Conflict]:
    return own_clashes(own, _only(class_, others), _only(class_, mine), partial(judge, str(key)))


def _only(class_: type[T], entries: Iterable[Entry]) -> list[T]:
    return [entry for entry in entries if isinstance(entry, class_)]
