"""How what others wrote is handed to a shell that completes: so that it says nothing to it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

ABOUT_CHARACTERS: Final = 60
"""Typer wraps what is longer than a line, and a shell takes each line for another offer."""

Completed = list[tuple[str, str]]


def offered(found: Iterable[tuple[str, str]], incomplete: str) -> Completed:
    """Of names, each with what it is about, those that begin as was typed."""
    return [(_typed(name), _told(about)) for name, about in found if name.startswith(incomplete) and _is_safe(name)]


_READ_BY_A_SHELL: Final = "\\`$\"'"
"""Names and titles are other people's words. Typer's script for zsh evaluates them, and escapes no backslash: what
stands behind one would run as a command when somebody presses Tab. So none of these is handed to a shell."""

_TOLD_AS: Final = str.maketrans("[]", "()", _READ_BY_A_SHELL)
"""Brackets are markup to Typer, which ends with an error where they do not fit."""


def _is_safe(name: str) -> bool:
    return name.isprintable() and not set(name) & set(_READ_BY_A_SHELL)


def _typed(name: str) -> str:
    """The name as it must stand on the line: bash takes it as it comes, the others quote it themselves."""
    if os.environ.get("_METAQORE_COMPLETE") != "complete_bash":
        return name
    return re.sub(r"[^\w@%+=:,./-]", r"\\\g<0>", name)  # no quotes: Typer drops what does not begin as was typed


def _told(about: str) -> str:
    """One short line that says nothing to a shell."""
    printable = "".join(one if one.isprintable() else " " for one in about).translate(_TOLD_AS)
    return " ".join(printable.split())[:ABOUT_CHARACTERS]
