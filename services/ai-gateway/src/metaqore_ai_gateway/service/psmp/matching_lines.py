"""Lines that two texts have in common, in order, found within a bounded number of steps.

First what both begin and end with, then the lines that stand once in each (B. Cohen's patience diff), and between
those a shortest edit (E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1986). What would
take too long stays unmatched, as if it were written anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

MAX_STEPS: Final = 500_000
"""Of all shortest edits between two texts together; some 0.2 s."""
MAX_EDITS: Final = 500
"""Of one shortest edit: what is remembered of it grows with the square."""

Block = tuple[int, int, int]
"""Where it begins in each text, and how many lines it has."""


def matching_lines(one: Sequence[str], other: Sequence[str]) -> list[Block]:
    """The blocks of equal lines, rising in both texts."""
    head, tail = _ends(one, other)
    middle = _middle(one[head : len(one) - tail], other[head : len(other) - tail])
    found = [(0, 0, head), *((head + at, head + place, size) for at, place, size in middle)]
    return [*found, (len(one) - tail, len(other) - tail, tail)]


def _ends(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """How many lines both begin with, and how many of the rest they end with."""
    shorter = min(len(one), len(other))
    head = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    rest = shorter - head
    return head, next((at for at in range(rest) if one[-1 - at] != other[-1 - at]), rest)


def _middle(one: Sequence[str], other: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    at = place = 0
    left = MAX_STEPS
    for anchor, where in [*_anchors(one, other), (len(one), len(other))]:
        between, steps = _shortest_edit(one[at:anchor], other[place:where], left)
        left -= steps
        blocks += [(at + from_, place + from_other, size) for from_, from_other, size in between]
        if anchor < len(one):
            blocks.append((anchor, where, 1))
        at, place = anchor + 1, where + 1
    return blocks


def _anchors(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """The longest sequence, rising in both, of lines that stand once in each."""
    counts, others = Counter(one), Counter(other)
    places = {line: at for at, line in enumerate(other) if others[line] == 1}
    ends: list[int] = []
    newest: list[int] = []
    links: list[tuple[int, int, int]] = []
    for at, line in enumerate(one):
        if counts[line] != 1 or line not in places:
            continue
        rank = bisect_left(ends, places[line])
        links.append((at, places[line], newest[rank - 1] if rank else -1))
        ends[rank : rank + 1] = [places[line]]
        newest[rank : rank + 1] = [len(links) - 1]
    rising: list[tuple[int, int]] = []
    link = newest[-1] if newest else -1
    while link >= 0:
        at, place, link = links[link]
        rising.append((at, place))
    return rising[::-1]


def _shortest_edit(one: Sequence[str], other: Sequence[str], steps: int) -> tuple[list[Block], int]:
    """The blocks that a shortest edit keeps, and how many steps it took; none where it takes too many."""
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    taken = 0
    for edits in range(min(len(one) + len(other), MAX_EDITS) + 1 if one and other else 0):
        trail.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            before = _before(furthest, diagonal, edits)
            begin = at = furthest[before] + (before < diagonal)
            while at < len(one) and at - diagonal < len(other) and one[at] == other[at - diagonal]:
                at += 1
            furthest[diagonal] = at
            taken += 1 + at - begin
            if at >= len(one) and at - diagonal >= len(other):
                return _kept(trail, len(one), len(other)), taken
        if taken > steps:
            break
    return [], taken


def _before(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """The diagonal from which the furthest way leads here: from above a line is added, from below one is left out."""
    above = diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])
    return diagonal + 1 if above else diagonal - 1


def _kept(trail: Sequence[dict[int, int]], at: int, place: int) -> list[Block]:
    blocks: list[Block] = []
    for edits in range(len(trail) - 1, -1, -1):
        diagonal = at - place
        before = _before(trail[edits], diagonal, edits)
        begin = trail[edits][before] + (before < diagonal)
        if at > begin:
            blocks.append((begin, begin - diagonal, at - begin))
        at = trail[edits][before]
        place = at - before
    return blocks[::-1]
