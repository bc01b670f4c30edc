"""The digest of a body that its sender announces (RFC 9530)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator
from typing import Final

from metaqore_governance_core.errors import MetaQoreError

_SHA256: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{1,64}):\s*(?:,|$)", re.ASCII)
_SHA256_BYTES: Final = 32


def checked(text: AsyncIterator[bytes], announced: str) -> AsyncIterator[bytes]:
    """The same pieces. Raises `content_digest_invalid` at once, and `content_differs` at the end of other bytes."""
    return _checked(text, _digest_in(announced))


async def _checked(text: AsyncIterator[bytes], wanted: bytes) -> AsyncIterator[bytes]:
    seen = hashlib.sha256()
    async for piece in text:
        seen.update(piece)
        yield piece
    if not hmac.compare_digest(seen.digest(), wanted):
        raise MetaQoreError("content_differs", "The bytes are not those of Content-Digest. Send them again.")


def _digest_in(announced: str) -> bytes:
    found = _SHA256.search(announced)
    try:
        digest = b64decode(found.group(1), validate=True) if found is not None else b""
    except Base64Error:
        digest = b""
    if len(digest) != _SHA256_BYTES:
        raise MetaQoreError("content_digest_invalid", "Content-Digest is sha-256=:<base64>:, as RFC 9530 has it.")
    return digest
