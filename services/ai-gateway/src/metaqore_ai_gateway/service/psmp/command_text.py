"""What of a command is scanned: every text in it, and the bytes that it carries as base64."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from pydantic import BaseModel

from metaqore_governance_core.contracts.psmp_artifact_commands import ProposeArtifacts
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.scanner import Findings

_BASE64: Final = "content_base64"


def texts_of(command: Command) -> bytes:
    """All texts of the command, NUL between them, so that two do not become one. Its defaults are nobody's."""
    return _texts(command)


def _texts(part: BaseModel) -> bytes:
    found: list[bytes] = []
    _gather(part.model_dump(exclude_defaults=True), found)
    return b"\0".join(found)


def holders_of_credentials(command: Command, scan: Callable[[bytes], Findings | None]) -> list[str]:
    """Of several versions that are proposed together, the names of those with a credential, but for one in a name."""
    if not isinstance(command, ProposeArtifacts) or len(command.proposals) == 1:
        return []
    offered = (one.created for one in command.proposals if one.created is not None)
    names = (one.artifact_name for one in offered if _holds(scan(_texts(one))))
    return [name for name in names if not _holds(scan(name.encode("utf-8", "replace")))]


def _holds(found: Findings | None) -> bool:
    return found is not None and found.holds_credential


def _decoded(text: str) -> bytes:
    """The bytes, or the text itself where it is no base64: that is refused once it is on record."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode("utf-8", "replace")


def _gather(value: Any, found: list[bytes]) -> None:
    if isinstance(value, str):
        found.append(value.encode("utf-8", "replace"))
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == _BASE64 and isinstance(one, str):
                found.append(_decoded(one))
            else:
                found.append(name.encode("utf-8", "replace"))  # of labels a name, too, is somebody's text
                _gather(one, found)
    elif isinstance(value, list | tuple):
        for one in value:
            _gather(one, found)
