"""Ed25519 keys as the log knows them: raw public bytes, a short id, and a check that raises."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class SignatureInvalidError(MetaQoreError):
    """A signature that its key did not make."""

    def __init__(self, message: str) -> None:
        super().__init__("signature_invalid", message, kind=ErrorKind.UNPROCESSABLE)


def key_id(public_key: bytes) -> str:
    """The first 16 hex digits of SHA-256 over the 32 raw bytes of an Ed25519 public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def verify_signature(public_key: bytes, signature: bytes, message: bytes, what: str) -> None:
    """Check an Ed25519 signature (RFC 8032) by raw public key. Raises `SignatureInvalidError`, which names `what`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureInvalidError(f"The signature of {what} is not by key {key_id(public_key)}.") from error
