"""The clashes that one artifact is part of, among others that may clash without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from metaqore_governance_core.psmp.conflicts.model import Conflict, Party

_Holder = tuple[str, int]


class _Entry(Protocol):
    @property
    def party(self) -> Party: ...


T = TypeVar("T", bound=_Entry)


def includes(own: str, conflict: Conflict) -> bool:
    """Whether the artifact is part of it."""
    return any(party.artifact == own for party in conflict.clashing)


def own_clashes(
    own: str, others: Sequence[T], mine: Sequence[T], judge: Callable[[Sequence[T]], list[Conflict]]
) -> list[Conflict]:
    """The conflicts that `mine`, of the artifact `own`, is part of.

    Nobody is stopped for a clash of others, nor does it hide one's own: where others clash without `own`, one of them
    is left out and judged later, with whom it can stand. Of each artifact one version at a time is judged, at first
    the oldest of each. So `own` is judged with everybody, and with all together that do not clash without it; only of
    those of whom some do, not with every choice.
    """
    if _one_version_each(others):
        together = judge([*others, *mine])
        of_own = [one for one in together if includes(own, one)]
        if of_own or not together:
            return of_own
    return list(_passes(own, others, mine, judge).values())


def _one_version_each(entries: Iterable[_Entry]) -> bool:
    """The usual case."""
    holders = {(one.party.artifact, one.party.version) for one in entries}
    return len({artifact for artifact, _ in holders}) == len(holders)


def _passes(
    own: str, others: Iterable[T], mine: Sequence[T], judge: Callable[[Sequence[T]], list[Conflict]]
) -> dict[str, Conflict]:
    entries: dict[_Holder, list[T]] = {}
    for one in others:
        entries.setdefault((one.party.artifact, one.party.version), []).append(one)
    found: dict[str, Conflict] = {}
    ranked = waiting = _by_rank(entries)
    while True:
        chosen = _one_of_each([*waiting, *ranked])
        while True:
            together = judge([*(one for holder in entries if holder in chosen for one in entries[holder]), *mine])
            of_own = [one for one in together if includes(own, one)]
            if of_own or not together:
                break
            del chosen[_least_wanted(together[0], chosen)]
        found.update({one.id: one for one in of_own})
        waiting = [holder for holder in waiting[1:] if holder not in chosen]
        if not waiting:
            return found


def _by_rank(holders: Iterable[_Holder]) -> list[_Holder]:
    """The oldest version of each artifact, then the next of each."""
    seen: dict[str, int] = {}
    ranked: list[tuple[int, _Holder]] = []
    for holder in sorted(holders):
        seen[holder[0]] = rank = seen.get(holder[0], -1) + 1
        ranked.append((rank, holder))
    return [holder for _, holder in sorted(ranked)]


def _one_of_each(holders: Iterable[_Holder]) -> dict[_Holder, int]:
    """The first of each artifact, with its place."""
    chosen: dict[str, _Holder] = {}
    for holder in holders:
        chosen.setdefault(holder[0], holder)
    return {holder: at for at, holder in enumerate(chosen.values())}


def _least_wanted(conflict: Conflict, chosen: dict[_Holder, int]) -> _Holder:
    return max(((one.artifact, one.version) for one in conflict.clashing), key=chosen.__getitem__)
