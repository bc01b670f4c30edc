"""What an object may be called: a name that is the same in a directory, in a URL and in a list."""

from __future__ import annotations

import re

from metaqore_mesh.objects.errors import ObjectNameInvalid

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_PREFIX = re.compile(rf"({_PART}/)*")
_MOST_CHARACTERS = 900  # S3 takes 1024 bytes


def checked_name(name: str) -> str:
    """`name`, where it is one: parts of letters, digits, `_`, `.` and `-`, none of which begins with a dot."""
    if len(name) > _MOST_CHARACTERS or not _NAME.fullmatch(name):
        raise ObjectNameInvalid
    return name


def checked_prefix(prefix: str) -> str:
    """`prefix`, where it is one: empty, or whole parts of a name, each with the slash that ends it."""
    if len(prefix) > _MOST_CHARACTERS or not _PREFIX.fullmatch(prefix):
        raise ObjectNameInvalid
    return prefix
