"""Ids that follow from what they name: the same artifact has the same id for ever, and nobody has to look it up."""

from __future__ import annotations

import re
from typing import Final

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.identity import artifact_id, named_id

__all__ = [
    "DEFAULT_PROJECT",
    "artifact_id",
    "checkpoint_id",
    "delivery_id",
    "event_id",
    "read_event_id",
    "webhook_id",
]

_VERSION: Final = re.compile(r"[0-9]{1,16}")

DEFAULT_PROJECT: Final = "default"
"""The project of everything that names none; made when it is first needed."""


def checkpoint_id(organization: str, project: str, name: str) -> str:
    """`checkpoint_` and 26 characters."""
    return named_id("checkpoint", organization, project, name)


def delivery_id(organization: str, webhook: str, project: str, version: int) -> str:
    """`delivery_` and 26 characters: an event for a webhook, however often it is sent."""
    return named_id("delivery", organization, webhook, event_id(project, version))


def webhook_id(organization: str, caller: str, key: str) -> str:
    """`webhook_` and 26 characters: what the caller makes under that idempotency key."""
    return named_id("webhook", organization, caller, key)


def event_id(project: str, version: int) -> str:
    """An event by its place: nothing else is ever in it."""
    return f"{project}@{version}"


def read_event_id(text: str) -> tuple[str, int]:
    """The project and its version. Raises `event_unknown`."""
    project, _, version = text.rpartition("@")
    if not project or not _VERSION.fullmatch(version) or int(version) > MAX_EXACT_INTEGER:
        raise MetaQoreError("event_unknown", "There is no such event. Begin without an id.", kind=ErrorKind.NOT_FOUND)
    return project, int(version)
