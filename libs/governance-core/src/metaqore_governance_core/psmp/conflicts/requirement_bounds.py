"""How long and how manifold one requirement or marker may be, told by its text alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.effort import spend

MAX_REQUIREMENT: Final = 1024
MAX_CLAUSES: Final = 64
MAX_ATOMS: Final = 64
MAX_DEPTH: Final = 16
"""Parentheses of a marker within each other."""

_JOINT: Final = re.compile(r"\|\||,|\s+(?=[\^~<>=!v\d*xX])|\)\s*(?=[\[(])")
_QUOTED: Final = re.compile(r"\"[^\"]*+\"?|'[^']*+'?")
_CONJUNCTION: Final = re.compile(r"\b(?:and|or)\b")
_BLANK: Final = re.compile(r"[\s,|]+")


def check_requirement(text: str, field: str = "A requirement", *, python: bool = False) -> None:
    """Refuse one with too many characters or clauses. Raises `MetaQoreError` `requirement_too_complex`."""
    spend(2)
    if len(text) <= MAX_CLAUSES // 2 and not python:
        return
    _check(text, field, python=python)


def check_marker(marker: str, field: str = "A marker") -> None:
    """Refuse one with too many characters, comparisons or parentheses. Raises as `check_requirement`."""
    if len(marker) > MAX_REQUIREMENT:
        raise too_complex(field, f"has more than {MAX_REQUIREMENT} characters")
    if values_of(marker) > MAX_ATOMS:
        raise too_complex(field, f"has more than {MAX_ATOMS} comparisons and listed values")
    depth = 0
    for one in _QUOTED.sub("", marker):
        depth += (one == "(") - (one == ")")
        if depth > MAX_DEPTH:
            raise too_complex(field, f"has more than {MAX_DEPTH} parentheses within each other")


@lru_cache(maxsize=8192)
def clauses_of(text: str) -> int:
    """The alternatives and comparisons of a requirement, at least as many as it has."""
    return len(_JOINT.findall(text.partition(";")[0])) + 1


@lru_cache(maxsize=8192)
def values_of(marker: str) -> int:
    """The comparisons of a marker, and the values that its texts list."""
    listed = sum(len(_BLANK.findall(one[1:-1].strip())) for one in _QUOTED.findall(marker))
    return len(_CONJUNCTION.findall(_QUOTED.sub("''", marker))) + 1 + listed


def too_complex(field: str, why: str) -> MetaQoreError:
    """A requirement that would take too long to compare. `field` begins the sentence."""
    return MetaQoreError(
        "requirement_too_complex", f"{field} {why}. Write it shorter, or split it.", kind=ErrorKind.UNPROCESSABLE
    )


def _check(text: str, field: str, *, python: bool) -> None:
    if len(text) > MAX_REQUIREMENT:
        raise too_complex(field, f"has more than {MAX_REQUIREMENT} characters")
    if clauses_of(text) > MAX_CLAUSES:
        raise too_complex(field, f"has more than {MAX_CLAUSES} clauses or alternatives")
    if python and ";" in text:
        check_marker(text.partition(";")[2], field)
