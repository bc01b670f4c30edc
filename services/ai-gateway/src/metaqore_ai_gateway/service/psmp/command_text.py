"""What of a command is scanned: every text in it, and the bytes that it carries as base64."""

from __future__ import annotations

import base64
from typing import Any, Final

from metaqore_governance_core.contracts.psmp_commands import Command

_BASE64: Final = "content_base64"


def texts_of(command: Command) -> bytes:
    """All texts of the command, NUL between them, so that two do not become one. Its defaults are nobody's."""
    found: list[bytes] = []
    _gather(command.model_dump(exclude_defaults=True), found)
    return b"\0".join(found)


def _gather(value: Any, found: list[bytes]) -> None:
    if isinstance(value, str):
        found.append(value.encode("utf-8", "replace"))
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == _BASE64 and isinstance(one, str):
                found.append(base64.b64decode(one))
            else:
                found.append(name.encode("utf-8", "replace"))  # of labels a name, too, is somebody's text
                _gather(one, found)
    elif isinstance(value, list | tuple):
        for one in value:
            _gather(one, found)
