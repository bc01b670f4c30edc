"""A smallest set that clashes: what is named to people when many stand against each other.

Source: U. Junker, "QuickXplain: Preferred Explanations and Relaxations for Over-Constrained Problems" (AAAI 2004). For
two parties that clash among n it asks about log n times, where leaving out one after another asks n times.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from metaqore_governance_core.psmp.conflicts.effort import spend

T = TypeVar("T")
_Clash = Callable[[Sequence[int]], bool]


def first_of_each(parts: Iterable[T], alike: Callable[[T], Hashable]) -> list[T]:
    """The first of those that are alike, in order: more of them ask for nothing new, however many they are."""
    found: dict[Hashable, T] = {}
    for one in parts:
        found.setdefault(alike(one), one)
    return list(found.values())


def last_of_each(parts: Sequence[T], alike: Callable[[T], Hashable]) -> list[T]:
    """The last of those that are alike, in order: whom `smallest_clash` would keep of them."""
    return first_of_each(reversed(parts), alike)[::-1]


def smallest_clash(parts: Sequence[T], clash: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of `parts` that clashes and of which nothing can be left out. They must clash together.

    Later parts are kept rather than earlier ones, so that the newest stays in; their order stays. Where adding a part
    can end a clash, the result still clashes, but something in it may be left out.
    """

    def clash_of(chosen: Sequence[int]) -> bool:
        spend(len(chosen) + 1)
        return clash([parts[at] for at in sorted(chosen)])

    newest_first = list(range(len(parts)))[::-1]
    core = sorted(_explained([], newest_first, clash_of, grown=False))
    if not clash_of(core):
        core = _left(list(range(len(parts))), clash_of)
    return [parts[at] for at in core]


def _explained(background: list[int], candidates: list[int], clash: _Clash, *, grown: bool) -> list[int]:
    """The smallest part of `candidates` that clashes together with `background`; the first are preferred."""
    if grown and clash(background):
        return []
    if len(candidates) <= 1:
        return candidates
    middle = len(candidates) // 2
    preferred, others = candidates[:middle], candidates[middle:]
    needed = _explained(background + preferred, others, clash, grown=True)
    return _explained(background + needed, preferred, clash, grown=bool(needed)) + needed


def _left(core: list[int], clash: _Clash) -> list[int]:
    for one in list(core):
        rest = [other for other in core if other != one]
        if clash(rest):
            core = rest
    return core
