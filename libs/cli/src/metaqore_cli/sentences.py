"""Sentences about what a command did, or would do; and counts with their nouns."""

from __future__ import annotations

from typing import Final, Literal

Verb = Literal["", "is", "has", "counts", "holds", "names", "declares", "stands"]
"""None at all leaves the participle to tell it: `40 proposed`."""

_INFINITIVES: Final[dict[Verb, str]] = {
    "": "be",
    "is": "be",
    "has": "have",
    "counts": "count",
    "holds": "hold",
    "names": "name",
    "declares": "declare",
    "stands": "stand",
}


def sentence(subject: str, verb: Verb, rest: str, *, happened: bool) -> str:
    """`the project garden is frozen`, or `would be frozen` where it has not happened."""
    said = verb if happened else f"would {_INFINITIVES[verb]}"
    return " ".join(word for word in (subject, said, rest) if word)


def counted(count: int, noun: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
