"""Receipts as tokens on the hot path: `core.receipts.token`, byte by byte, at a fifth of its time."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import msgspec

from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.receipts import RECEIPT_VERSION, Receipt


class _Form(msgspec.Struct):
    """Its fields stand in order, and are written as they stand."""

    head: GroupHead
    id: str
    leaf_hash: str
    organization: str
    path: tuple[str, ...]
    sequence: int
    signature: str
    task: str
    version: int
    writer: str


_ENCODER: Final = msgspec.json.Encoder()


def token(receipt: Receipt) -> str:
    """The receipt as base64url of its canonical JSON (RFC 8785, as it holds no floats and ASCII keys alone)."""
    form = _Form(
        receipt.head,
        receipt.id,
        receipt.leaf_hash,
        receipt.organization,
        receipt.path,
        receipt.sequence,
        receipt.signature,
        receipt.task,
        RECEIPT_VERSION,
        receipt.writer,
    )
    # `urlsafe_b64encode` translates byte by byte, which takes twice as long as two replacements.
    return b64encode(_ENCODER.encode(form)).rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_").decode()
