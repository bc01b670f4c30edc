"""Three texts of one path made into one, line by line (diff3: Khanna, Kunal and Pierce, FSTTCS 2007)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from metaqore_ai_gateway.service.psmp.matching_lines import matching_lines
from metaqore_governance_core.psmp.refusal import conflict as refused


def merged_text(base: bytes, standing: bytes, incoming: bytes) -> bytes:
    """What both sides made of `base`. Raises `merge_impossible` where they changed the same lines differently.

    It waits for nothing, and takes some seconds for texts of megabytes.
    """
    try:
        texts = [_lines(one.decode("utf-8")) for one in (base, standing, incoming)]
    except UnicodeDecodeError as error:
        raise refused("merge_impossible", "Only texts can be merged. Upload the merged body.") from error
    merged: list[str] = []
    clashes = 0
    for chunk in _chunks(*texts):
        chosen = chunk.chosen()
        if chosen is None:
            clashes += 1
        else:
            merged += chosen
    if clashes:
        raise refused(
            "merge_impossible",
            f"Both sides changed the same lines, in {clashes} place{'s' if clashes > 1 else ''}. Merge them by hand, "
            "upload the result, and resolve with its digest.",
        )
    return "".join(merged).encode("utf-8")


def _lines(text: str) -> list[str]:
    """Its lines with their ends. Only a line feed ends one, as for git and diff3."""
    return StringIO(text, newline="\n").readlines()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Lines between two places where all three texts agree; or such a place, where they are the same."""

    base: Sequence[str]
    left: Sequence[str]
    right: Sequence[str]

    def chosen(self) -> Sequence[str] | None:
        """The side that changed it; None where both did, and not alike."""
        if self.right in (self.left, self.base):
            return self.left
        return self.right if self.left == self.base else None


def _chunks(base: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Iterator[_Chunk]:
    at = in_left = in_right = 0
    for start, start_left, start_right, size in _agreements(base, left, right):
        yield _Chunk(base[at:start], left[in_left:start_left], right[in_right:start_right])
        yield _Chunk(base[start : start + size], left[start_left : start_left + size], base[start : start + size])
        at, in_left, in_right = start + size, start_left + size, start_right + size
    yield _Chunk(base[at:], left[in_left:], right[in_right:])


def _agreements(base: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where all three agree, in order: the first line in each of them, and how many there are."""
    lefts, rights = matching_lines(base, left), matching_lines(base, right)
    at_left = at_right = 0
    while at_left < len(lefts) and at_right < len(rights):
        from_base, from_left, size_left = lefts[at_left]
        other_base, from_right, size_right = rights[at_right]
        start, end = max(from_base, other_base), min(from_base + size_left, other_base + size_right)
        if start < end:
            yield start, from_left + start - from_base, from_right + start - other_base, end - start
        if from_base + size_left < other_base + size_right:
            at_left += 1
        else:
            at_right += 1
