"""Ids that follow from what they name: the same artifact has the same id for ever, and nobody has to look it up."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Final

from metaqore_governance_core.canonical import canonical_plain

_BYTES: Final = 16
_REMEMBERED: Final = 4096
"""One command asks for the id of the same artifact some ten times."""


def artifact_id(organization: str, project: str, name: str) -> str:
    """`artifact_` and 26 characters."""
    return named_id("artifact", organization, project, name)


@lru_cache(_REMEMBERED)
def named_id(prefix: str, *parts: str) -> str:
    """The prefix and 26 characters of a digest of the parts."""
    digest = hashlib.sha256(canonical_plain([prefix, *parts])).digest()[:_BYTES]
    return f"{prefix}_{base64.b32encode(digest).decode().rstrip('=').lower()}"
