"""What of a command is scanned: every text in it, and the bytes that it carries as base64."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from metaqore_governance_core.contracts.psmp_commands import Command

_BASE64: Final = "content_base64"


def texts_of(command: Command) -> bytes:
    """All texts of the command, NUL between them, so that two do not become one."""
    return b"\0".join(_texts(command.model_dump()))


def _texts(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "replace")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if name == _BASE64 and isinstance(one, str):
                yield base64.b64decode(one)
            else:
                yield name.encode("utf-8", "replace")  # of labels a name, too, is somebody's text
                yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
