"""Ids that follow from what they name: the same artifact has the same id for ever, and nobody has to look it up."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

DEFAULT_PROJECT: Final = "default"
"""The project of everything that names none; made when it is first needed."""

_BYTES: Final = 16


def artifact_id(organization: str, project: str, name: str) -> str:
    """`artifact_` and 26 characters."""
    return _id("artifact", organization, project, name)


def checkpoint_id(organization: str, project: str, name: str) -> str:
    """`checkpoint_` and 26 characters."""
    return _id("checkpoint", organization, project, name)


def event_id(project: str, version: int) -> str:
    """An event by its place: nothing else is ever in it."""
    return f"{project}@{version}"


def read_event_id(text: str) -> tuple[str, int]:
    """The project and its version. Raises `event_unknown`."""
    project, _, version = text.rpartition("@")
    if not project or not version.isascii() or not version.isdecimal():
        raise MetaQoreError("event_unknown", "There is no such event. Begin without an id.", kind=ErrorKind.NOT_FOUND)
    return project, int(version)


def _id(prefix: str, *parts: str) -> str:
    digest = hashlib.sha256(canonical([prefix, *parts])).digest()[:_BYTES]
    return f"{prefix}_{base64.b32encode(digest).decode().rstrip('=').lower()}"
