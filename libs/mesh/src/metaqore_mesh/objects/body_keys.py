"""The keys that wrap the keys of bodies: one for each organization, all from one root."""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from metaqore_mesh.keys import make_root_key

_NONCE_BYTES = 12
_ORGANIZATION_CONTEXT = b"metaqore-body-key/v1\n"


class WrongKey(Exception):  # noqa: N818 - it names what was given; `Bodies` gives it its code
    """A wrapped key does not open: it was altered, or wrapped for another organization or another purpose."""


class BodyKeys:
    """Wraps a body's key under its organization's, with AES-256-GCM and a random nonce.

    An organization's key is derived from the root key (HKDF, RFC 5869), so there is one file to keep. It wraps far
    fewer than the 2^32 keys after which random nonces of 96 bits would be too likely to meet (SP 800-38D, 8.3).
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._ciphers: dict[str, AESGCM] = {}

    def wrap(self, organization: str, key: bytes, purpose: bytes) -> bytes:
        """`key` as it may be kept in a row. It opens only for the same organization and `purpose`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher(organization).encrypt(nonce, key, purpose)

    def unwrap(self, organization: str, wrapped: bytes, purpose: bytes) -> bytes:
        """The key. Raises `WrongKey`."""
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return self._cipher(organization).decrypt(nonce, sealed, purpose)
        except (InvalidTag, ValueError) as error:  # a nonce that is too short is a ValueError
            raise WrongKey from error

    def _cipher(self, organization: str) -> AESGCM:
        cipher = self._ciphers.get(organization)
        if cipher is None:
            derivation = HKDF(hashes.SHA256(), 32, salt=None, info=_ORGANIZATION_CONTEXT + organization.encode())
            cipher = self._ciphers[organization] = AESGCM(derivation.derive(self._root))
        return cipher


def make_body_keys(path: Path) -> BodyKeys:
    """The keys whose root is in the file `path`, which is made at the first call. Raises `KeyFileError`."""
    return BodyKeys(make_root_key(path))
