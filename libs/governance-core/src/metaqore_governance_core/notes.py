"""Signed notes (C2SP signed-note), with Ed25519 keys."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.canonical import from_base64
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.keys import SignatureInvalidError, verify_signature

ALGORITHM_ED25519: Final = b"\x01"
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_HASH_BYTES: Final = 4
MAX_SIGNATURES: Final = 100
"""As the reference implementation has it, so that a note cannot make a reader work without end."""


class NoteError(MetaQoreError):
    """Text that is not a well-formed signed note, or not one that the given keys vouch for."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.UNPROCESSABLE)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that a reader trusts: its name and the 32 raw bytes of an Ed25519 public key."""

    name: str
    public_key: bytes


def check_name(name: str) -> None:
    """Raise `NoteError` unless `name` is not empty and holds neither white space nor a plus sign."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("key_name_invalid", "A key's name is not empty and holds neither white space nor a plus sign.")


def key_hash(name: str, public_key: bytes) -> bytes:
    """The first four bytes of SHA-256 over name, newline, algorithm and key."""
    return hashlib.sha256(name.encode() + b"\n" + ALGORITHM_ED25519 + public_key).digest()[:KEY_HASH_BYTES]


def vkey(verifier: Verifier) -> str:
    """The key as text: `<name>+<hash, hex>+<algorithm and key, base64>`."""
    check_name(verifier.name)
    encoded = b64encode(ALGORITHM_ED25519 + verifier.public_key).decode()
    return f"{verifier.name}+{key_hash(verifier.name, verifier.public_key).hex()}+{encoded}"


def parse_vkey(text: str) -> Verifier:
    """The key in a vkey line. Raises `NoteError` `vkey_invalid` where it is not an Ed25519 key or its hash differs."""
    try:
        name, digits, encoded = text.strip().split("+", 2)
        raw = from_base64(encoded)
        fits = raw[:1] == ALGORITHM_ED25519 and len(raw) == 1 + PUBLIC_KEY_BYTES
        check_name(name)
    except ValueError:
        fits = False
    if not fits or key_hash(name, raw[1:]).hex() != digits:
        raise NoteError("vkey_invalid", "This is not an Ed25519 verifier key; copy the whole vkey line.")
    return Verifier(name, raw[1:])


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """The note of `text`, which ends in a newline, with one signature by the key of that name."""
    check_name(name)
    _check_text(text)
    hash_ = key_hash(name, private_key.public_key().public_bytes_raw())
    encoded = b64encode(hash_ + private_key.sign(text.encode())).decode()
    return f"{text}\n— {name} {encoded}\n"


def open_note(note: str, verifiers: Sequence[Verifier]) -> str:
    """The text of a note that at least one of these keys signed; signatures by other keys are passed over.

    Raises `NoteError` for what is malformed or signed by none of them, `SignatureInvalidError` for a signature that
    claims one of them and is not by it.
    """
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteError("note_invalid", "A signed note ends in a blank line and one line for each signature.")
    text += "\n"
    _check_text(text)
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError("note_invalid", f"A signed note has at most {MAX_SIGNATURES} signatures here.")
    known = {(key.name, key_hash(key.name, key.public_key)): key for key in verifiers}
    verified = False
    for line in lines:
        name, hash_, signature = _signature(line)
        verifier = known.get((name, hash_))
        if verifier is not None:
            if len(signature) != SIGNATURE_BYTES:
                raise SignatureInvalidError(f"The signature by {name} is not an Ed25519 signature.")
            verify_signature(verifier.public_key, signature, text.encode(), f"the note by {name}")
            verified = True
    if not verified:
        raise NoteError("note_unverified", "None of the trusted keys signed this note.")
    return text


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
        raise NoteError("note_invalid", "A note's text ends in a newline and holds no other control characters.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoteError("note_invalid", "A note's text is UTF-8.") from error


def _signature(line: str) -> tuple[str, bytes, bytes]:
    try:
        dash, name, encoded = line.split(" ")
        raw = from_base64(encoded)
        fits = dash == "—" and len(raw) > KEY_HASH_BYTES
        check_name(name)
    except ValueError:
        fits = False
    if not fits:
        raise NoteError("note_invalid", "A signature line is a dash, a name and base64.")
    return name, raw[:KEY_HASH_BYTES], raw[KEY_HASH_BYTES:]
