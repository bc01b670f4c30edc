"""Keyed digests (HMAC-SHA-256) with a key for each organization, derived from one root key."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from metaqore_governance_core.records import Commitment

_CONTEXT: Final = b"metaqore-organization-digest/v1\n"
_KEY_ID_CHARACTERS: Final = 16


class HmacDigests:
    """The port `Digests`. Organizations are few, so their keys stay in memory, ready to be copied."""

    def __init__(self, root_key: bytes) -> None:
        self._root = root_key
        self._fresh: dict[str, tuple[str, hmac.HMAC]] = {}

    def start(self, organization: str) -> HmacDigest:
        """The digest of nothing yet, under the organization's key."""
        key_id, fresh = self._fresh.get(organization) or self._derive(organization)
        return HmacDigest(key_id, fresh.copy())

    def _derive(self, organization: str) -> tuple[str, hmac.HMAC]:
        key = hmac.digest(self._root, _CONTEXT + organization.encode(), "sha256")
        key_id = hashlib.sha256(key).hexdigest()[:_KEY_ID_CHARACTERS]
        self._fresh[organization] = key_id, hmac.new(key, digestmod="sha256")
        return self._fresh[organization]


class HmacDigest:
    """The port `Digest`."""

    __slots__ = ("_key_id", "_mac", "_size_bytes")

    def __init__(self, key_id: str, mac: hmac.HMAC) -> None:
        self._key_id = key_id
        self._mac = mac
        self._size_bytes = 0

    def update(self, piece: bytes) -> None:
        """Take in the next piece."""
        self._mac.update(piece)
        self._size_bytes += len(piece)

    def commitment(self) -> Commitment:
        """What stands for all pieces so far."""
        return Commitment(self._mac.hexdigest(), self._key_id, self._size_bytes)
