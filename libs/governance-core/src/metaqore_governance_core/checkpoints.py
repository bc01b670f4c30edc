"""Checkpoints of a log (C2SP tlog-checkpoint): its size and root, in a signed note."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.canonical import from_base64
from metaqore_governance_core.merkle import HASH_BYTES
from metaqore_governance_core.notes import NoteError, Verifier, open_note, sign_note

_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log promises: its first `size` leaves have this root (RFC 6962 section 2.1), for ever."""

    origin: str
    size: int
    root: bytes


def log_origin(mesh: str, organization: str) -> str:
    """The origin of an organization's log, which is the name of its key as well."""
    return f"{mesh}/{organization}"


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The three lines that are signed."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{b64encode(checkpoint.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; further lines are extensions and passed over. Raises `NoteError`."""
    lines = text.split("\n")
    if len(lines) <= _LINES or lines[-1]:
        raise NoteError("checkpoint_invalid", "A checkpoint has an origin, a size and a root, each on its line.")
    origin, digits, encoded = lines[:_LINES]
    try:
        root = from_base64(encoded)
        size = int(digits)
    except ValueError:
        root, size = b"", -1
    if not origin or size < 0 or str(size) != digits or len(root) != HASH_BYTES:
        raise NoteError("checkpoint_invalid", "A checkpoint's size is a decimal number, its root 32 bytes in base64.")
    return Checkpoint(origin, size, root)


def sign_checkpoint(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note signed by the log's key, whose name is the log's origin."""
    return sign_note(checkpoint_text(checkpoint), checkpoint.origin, private_key)


def open_checkpoint(note: str, origin: str, public_key: bytes) -> Checkpoint:
    """The checkpoint in a note that the log of that origin signed with that raw public key. Raises `MetaQoreError`."""
    checkpoint = parse_checkpoint(open_note(note, [Verifier(origin, public_key)]))
    if checkpoint.origin != origin:
        raise NoteError(
            "checkpoint_origin_differs", f"The checkpoint is of the log {checkpoint.origin!r}, not {origin!r}."
        )
    return checkpoint
