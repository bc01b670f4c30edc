"""Sets of versions as half-open intervals: the one algebra that every ecosystem's ranges come down to.

An interval holds what is at least `low` and below `high`. Where each version has a next one, `> x` is `>= next(x)` and
`<= x` is `< next(x)`: half-open intervals say everything, and one is empty exactly where `low` is not below `high`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from metaqore_governance_core.psmp.conflicts.effort import spend

T = TypeVar("T", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Interval(Generic[T]):
    """From `low` to just below `high`; None is no bound above."""

    low: T
    high: T | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return self.high is not None and not self.low < self.high

    def meet(self, other: Interval[T]) -> Interval[T]:
        """What is in both."""
        low = max(self.low, other.low)
        if self.high is None or other.high is None:
            return Interval(low, self.high if other.high is None else other.high)
        return Interval(low, min(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Intervals(Generic[T]):
    """A union of intervals that are not empty, do not touch and stand in order: a set has one spelling."""

    parts: tuple[Interval[T], ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[Interval[T]]) -> Intervals[T]:
        """The union of any intervals."""
        merged: list[Interval[T]] = []
        kept = [one for one in intervals if not one.is_empty]
        for one in sorted(kept, key=lambda interval: interval.low):
            last = merged[-1] if merged else None
            if last is not None and (last.high is None or not last.high < one.low):
                merged[-1] = Interval(last.low, _later(last.high, one.high))
            else:
                merged.append(one)
        return cls(tuple(merged))

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.parts

    def meet(self, other: Intervals[T]) -> Intervals[T]:
        """What is in both."""
        mine, theirs = self.parts, other.parts
        spend(2 * (len(mine) + len(theirs)))
        met: list[Interval[T]] = []
        at = among = 0
        while at < len(mine) and among < len(theirs):
            shared = mine[at].meet(theirs[among])
            if not shared.is_empty:
                met.append(shared)
            if _ends_first(mine[at].high, theirs[among].high):
                at += 1
            else:
                among += 1
        return Intervals(tuple(met))

    def join(self, other: Intervals[T]) -> Intervals[T]:
        """What is in either."""
        return Intervals.of((*self.parts, *other.parts))

    @property
    def last(self) -> Intervals[T]:
        """The part that holds the highest."""
        return Intervals(self.parts[-1:])

    def __contains__(self, value: T) -> bool:
        return any(not value < one.low and (one.high is None or value < one.high) for one in self.parts)


def _ends_first(one: T | None, other: T | None) -> bool:
    return one is not None and (other is None or one < other)


def _later(one: T | None, other: T | None) -> T | None:
    if one is None or other is None:
        return None
    return max(one, other)
