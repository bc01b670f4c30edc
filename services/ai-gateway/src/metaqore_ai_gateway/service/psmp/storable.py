"""What a database can hold in a text: what it cannot hold is not there to be found."""

from __future__ import annotations


def storable(text: str) -> bool:
    """Whether it is without NUL and without halves of surrogate pairs."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)
