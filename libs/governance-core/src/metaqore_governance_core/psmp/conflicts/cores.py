"""A smallest set that clashes: what is named to people when many stand against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def smallest_clash(parts: Sequence[T], clash: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of `parts` that clashes and of which nothing can be left out. They must clash together.

    `clash` must not become false by adding parts. Later parts are kept rather than earlier ones, so that the newest
    stays in.
    """
    core = list(parts)
    for one in parts:
        rest = [other for other in core if other is not one]
        if clash(rest):
            core = rest
    return core
