"""Whether npm finds one copy of a package for the root of a tree, in the order in which its Arborist tries.

Arborist is no solver. It goes from the root through the workspaces, places for each request that the copy at the root
does not satisfy the highest version that the request allows, and never tries an older one or another order. It replaces
the copy where the new one satisfies everybody, or where all that the old one satisfied can have a copy of their own; a
dependency that stays unsatisfied gets its own copy, and a peer that does is the refusal (ERESOLVE).

Source: `lib/can-place-dep.js` and `lib/arborist/build-ideal-tree.js` of @npmcli/arborist. Versions are not known here,
so that "the highest" is where a range ends: just below its upper bound, as if every version were published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.npm_ranges import Identifiers, NpmRange, Triple

_NO_END: Final[Triple] = (1 << 62, 0, 0)
_NO_PRE_END: Final[Identifiers] = ((2, 0, ""),)


@dataclass(frozen=True, slots=True, order=True)
class Top:
    """The highest version of a range: just below `below`, or where `pre` is given, a pre-release of `below`."""

    below: Triple
    pre: Identifiers = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What one manifest, or one installed package, wants of the copy at the root."""

    allowed: NpmRange
    peer: bool
    root: bool
    optional: bool = False
    installed: bool = False

    @property
    def nests(self) -> bool:
        """Whether it can have a copy of its own."""
        return not self.peer and not self.root


def top_of(allowed: NpmRange) -> Top:
    """The highest version of a range that is not empty."""
    highest = allowed.highest
    if highest.stable.is_empty:
        triple, identifiers = highest.prereleases[-1]
        return Top(triple, identifiers.parts[-1].high or _NO_PRE_END)
    return Top(highest.stable.parts[-1].high or _NO_END)


def holds(allowed: NpmRange, top: Top) -> bool:
    """Whether a range allows that version."""
    if not top.pre:
        return any(part.low < top.below <= (part.high or _NO_END) for part in allowed.stable.parts)
    parts = dict(allowed.prereleases)
    return top.below in parts and any(
        part.low < top.pre <= (part.high or _NO_PRE_END) for part in parts[top.below].parts
    )


def npm_refuses(requests: Sequence[Request]) -> bool:
    """Whether npm gives up. `requests` stand in npm's order: the root's, those of installed packages, of workspaces."""
    current: Top | None = None
    waiting: list[Request] = []
    for at, request in enumerate(requests):
        if current is None:
            if request.optional:
                waiting.append(request)
            else:
                current = top_of(request.allowed)
            continue
        spend(len(requests))
        present = [one for place, one in enumerate(requests) if not one.installed or place <= at]
        placed = _after(current, request, present)
        if placed is None:
            return True
        current = placed
    if current is None:
        return False
    for request in waiting:
        placed = _after(current, request, requests)
        if placed is None:
            return True
        current = placed
    return False


def _after(current: Top, request: Request, present: Sequence[Request]) -> Top | None:
    """The copy at the root once `request` is served; None where npm gives up."""
    if holds(request.allowed, current):
        return current
    new = top_of(request.allowed)
    spend(2 * sum(len(one.allowed.stable.parts) for one in present))
    suits_all = all(holds(one.allowed, new) for one in present)
    if request.nests:
        return new if suits_all and new >= current else current
    served = [one for one in present if one is not request and (one.nests or holds(one.allowed, current))]
    return new if suits_all or all(one.nests for one in served) else None
