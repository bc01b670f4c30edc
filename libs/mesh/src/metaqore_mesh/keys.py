"""The keys of a mesh: made at first start, 0600, and their public halves published for whoever verifies."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.keys import key_id
from metaqore_governance_core.records import Commitment
from metaqore_mesh.run_directory import RunDirectory, write_atomically, write_once

_PUBLIC_FILE = 0o644
_ROOT_BYTES = 32
_WRITER = re.compile(r"[a-z]{2,8}-[a-z2-7]{26}")
_WRITER_LINE = re.compile(rb"^writer: (\S+)$", re.MULTILINE)
_ORGANIZATION_CONTEXT = b"metaqore-digest-key/v1\n"
_KEY_ID_CONTEXT = b"metaqore-digest-key-id/v1\n"


class KeyFileError(MetaQoreError):
    """A key file that cannot be used. The message names the file and says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.INTERNAL)


@dataclass(frozen=True, slots=True)
class WriterKey:
    """Who writes a spool, and the Ed25519 key that signs its group commits."""

    writer: str
    private_key: Ed25519PrivateKey = field(repr=False)
    key_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_id", key_id(self.public_bytes))

    @property
    def public_bytes(self) -> bytes:
        """The 32 raw bytes of the public key (RFC 8032)."""
        return self.private_key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature (RFC 8032)."""
        return self.private_key.sign(message)


def make_writer_key(run: RunDirectory, prefix: str = "gw") -> WriterKey:
    """The writer of this run directory with its key, made at the first call; its public key is published.

    Id and key lie in one file, so that no crash leaves one without the other: a line before the PEM block, which
    readers of PEM pass over (RFC 7468 section 2). Raises `KeyFileError`.
    """
    fresh = b"writer: %b-%b\n%b" % (prefix.encode(), _random_id().encode(), _private_pem(Ed25519PrivateKey.generate()))
    raw = _secret(run.writer_key, fresh)
    found = _WRITER_LINE.search(raw)
    if not found or not _WRITER.fullmatch(found[1].decode(errors="replace")):
        raise KeyFileError("key_file_invalid", f"{run.writer_key} names no writer: restore it from a backup.")
    key = WriterKey(found[1].decode(), _private_key(run.writer_key, raw))
    _publish(writer_public_key_file(run, key.writer), key.public_bytes)
    return key


def make_log_key(run: RunDirectory) -> Ed25519PrivateKey:
    """The key that signs checkpoints, made at the first call; its public key is published as the pinned one.

    Raises `KeyFileError`: `public_key_differs` where another key is pinned already.
    """
    key = _private_key(run.log_key, _secret(run.log_key, _private_pem(Ed25519PrivateKey.generate())))
    _publish(run.log_public_key, key.public_key().public_bytes_raw())
    return key


def writer_public_key_file(run: RunDirectory, writer: str) -> Path:
    """Where a writer's public key is published. Raises `KeyFileError` for a name that no writer has."""
    if not _WRITER.fullmatch(writer):
        raise KeyFileError("writer_unknown", "That is not the id of a writer.")
    return run.writers / f"{writer}.pub"


def load_writer_public_key(run: RunDirectory, writer: str) -> bytes:
    """The raw public key of a writer, whose name may come from anywhere. Raises `KeyFileError` `writer_unknown`."""
    path = writer_public_key_file(run, writer)
    if not path.exists():
        raise KeyFileError("writer_unknown", f"No public key of writer {writer} is in {run.writers}.")
    return load_public_key(path)


def load_public_key(path: Path) -> bytes:
    """The 32 raw bytes of an Ed25519 public key in PEM, or in one line of base64. Raises `KeyFileError`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise KeyFileError("key_file_unreadable", f"{path} cannot be read: {error.strerror}.") from error
    try:
        if b"-----BEGIN" not in raw:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(raw.strip(), validate=True)).public_bytes_raw()
        key = load_pem_public_key(raw)
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise KeyFileError("key_file_invalid", f"{path} holds no public key in PEM or base64.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError("key_file_invalid", f"{path} holds a key of another kind than Ed25519.")
    return key.public_bytes_raw()


def load_mesh_token(path: Path) -> str:
    """The token that services show each other. Raises `KeyFileError`."""
    try:
        token = _read_secret(path).decode(errors="replace").strip()
    except KeyFileError as error:
        if error.code != "key_file_unreadable":
            raise
        shared = "All services of a mesh share one token: give this one the same file in METAQORE_MESH_TOKEN_FILE."
        raise KeyFileError(error.code, f"{error.message} {shared}") from error
    if not token:
        raise KeyFileError("key_file_invalid", f"{path} is empty: remove it and start the mesh again.")
    return token


class DigestKeys:
    """Digests of texts, keyed by organization: whoever has no key cannot guess a short text from its digest.

    An organization's key is derived from the root key, so there is one file to keep; the same text has different
    digests in two organizations.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._keys: dict[str, _OrganizationKey] = {}

    def commit(self, organization: str, text: bytes) -> Commitment:
        """What stands for `text` in a record: HMAC-SHA-256 (RFC 2104) under the organization's key."""
        key = self._keys.get(organization) or self._derive(organization)
        inner, outer = key.inner.copy(), key.outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return Commitment(outer.hexdigest(), key.id, len(text))

    def running(self, organization: str) -> RunningCommitment:
        """A commitment to a text that comes in pieces."""
        return RunningCommitment(self._keys.get(organization) or self._derive(organization))

    def _derive(self, organization: str) -> _OrganizationKey:
        derivation = HKDF(hashes.SHA256(), 32, salt=None, info=_ORGANIZATION_CONTEXT + organization.encode())
        key = self._keys[organization] = _OrganizationKey(derivation.derive(self._root))
        return key


class _OrganizationKey:
    """An organization's key as HMAC (RFC 2104 section 4) uses it: both hashes, begun with the padded key.

    Copying them is half the price of `hmac.digest`, which also lets go of Python's lock for a microsecond's work.
    """

    __slots__ = ("id", "inner", "outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(hashlib.sha256().block_size, b"\x00")
        self.id = hmac.digest(key, _KEY_ID_CONTEXT, "sha256").hex()[:16]
        self.inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self.outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))


class RunningCommitment:
    """A commitment in the making: `update` with each piece, then `commitment`."""

    __slots__ = ("_inner", "_key", "_size_bytes")

    def __init__(self, key: _OrganizationKey) -> None:
        self._inner = key.inner.copy()
        self._key = key
        self._size_bytes = 0

    def update(self, piece: bytes) -> None:
        """Take in the next piece."""
        self._inner.update(piece)
        self._size_bytes += len(piece)

    def commitment(self) -> Commitment:
        """What stands for all pieces so far; the same as `DigestKeys.commit` of them joined."""
        outer = self._key.outer.copy()
        outer.update(self._inner.digest())
        return Commitment(outer.hexdigest(), self._key.id, self._size_bytes)


def make_digest_keys(run: RunDirectory) -> DigestKeys:
    """The digest keys of this run directory; the root is made at the first call. Raises `KeyFileError`."""
    return DigestKeys(make_root_key(run.digest_key))


def make_root_key(path: Path) -> bytes:
    """The 32 random bytes in the file `path`, from which other keys are derived; made at the first call.

    Raises `KeyFileError`.
    """
    raw = _secret(path, base64.b64encode(secrets.token_bytes(_ROOT_BYTES)) + b"\n")
    try:
        root = base64.b64decode(raw.strip(), validate=True)
    except binascii.Error:
        root = b""
    if len(root) != _ROOT_BYTES:
        raise KeyFileError(
            "key_file_invalid", f"{path} is not {_ROOT_BYTES} bytes in base64: restore it from a backup."
        )
    return root


def _random_id() -> str:
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _private_key(path: Path, raw: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            "key_file_invalid", f"{path} holds no private key in PEM: restore it from a backup."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError("key_file_invalid", f"{path} holds a key of another kind than Ed25519.")
    return key


def _secret(path: Path, fresh: bytes) -> bytes:
    """What the secret file holds; `fresh` where it does not exist yet."""
    if not path.exists():
        write_once(path, fresh)
    return _read_secret(path)


def _read_secret(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes()
    except OSError as error:
        raise KeyFileError("key_file_unreadable", f"{path} cannot be read: {error.strerror}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError("key_file_open", f"Others may read {path}. Close it with: chmod 600 {path}")
    return raw


def _publish(path: Path, public_key: bytes) -> None:
    """Write the public key where it is missing; never replace another, for someone may have pinned it."""
    if not path.exists():
        pem = Ed25519PublicKey.from_public_bytes(public_key).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        write_atomically(path, pem, mode=_PUBLIC_FILE)
    elif load_public_key(path) != public_key:
        raise KeyFileError(
            "public_key_differs",
            f"{path} holds another key than the one in use. Restore the private key that belongs to it, or, where "
            "nobody relies on the old one any more, remove it.",
        )
