"""A receipt: a writer's signed promise that a decision or a command is in its spool; see SCT, RFC 6962 section 3."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from metaqore_governance_core.canonical import canonical_plain, from_hex
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.group import GroupHead, head_fields, verify_head
from metaqore_governance_core.merkle import ProofError, leaf_hash, verify_inclusion
from metaqore_governance_core.value_object import value_object

RECEIPT_VERSION: Final = 1


@value_object
class Receipt:
    """The promise, with the group commit that signs it. `leaf_hash`, `path` and `signature` are hex.

    The record carries `id`, `organization`, `task`, `writer` and `sequence` itself, so the leaf hash fixes them all.
    `task` is empty in the receipt of a command, which is no task.
    """

    head: GroupHead
    id: str
    leaf_hash: str
    organization: str
    path: tuple[str, ...]
    sequence: int
    signature: str
    task: str
    writer: str


class ReceiptError(MetaQoreError):
    """A receipt that promises nothing. The code says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.UNPROCESSABLE)


def token(receipt: Receipt) -> str:
    """The receipt as base64url (RFC 4648 section 5, no padding) of its canonical JSON; fit for a header."""
    fields = {
        "head": head_fields(receipt.head),
        "id": receipt.id,
        "leaf_hash": receipt.leaf_hash,
        "organization": receipt.organization,
        "path": receipt.path,
        "sequence": receipt.sequence,
        "signature": receipt.signature,
        "task": receipt.task,
        "version": RECEIPT_VERSION,
        "writer": receipt.writer,
    }
    return urlsafe_b64encode(canonical_plain(fields)).rstrip(b"=").decode()


def parse_token(text: str) -> Receipt:
    """The receipt in a token, not yet verified. Raises `ReceiptError`; only the one exact form passes."""
    try:
        fields = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        receipt = _receipt(fields)
        exact = token(receipt) == text
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReceiptError("receipt_invalid", "This is not a receipt token; copy it whole.") from error
    if not exact:
        raise ReceiptError("receipt_invalid", "This receipt token was changed; copy it as it was given.")
    return receipt


def _receipt(fields: dict[str, Any]) -> Receipt:
    texts = ("id", "leaf_hash", "organization", "signature", "task", "writer")
    head = GroupHead(**fields["head"])
    numbers = (fields["sequence"], head.count, head.first_sequence, head.time_us)
    if not all(type(number) is int for number in numbers):
        raise TypeError("integers expected")
    for text in (*(fields[name] for name in texts), *fields["path"], head.key_id, head.root, head.writer):
        if type(text) is not str:
            raise TypeError("text expected")
    for digits in (fields["leaf_hash"], fields["signature"], *fields["path"]):
        from_hex(digits)
    return Receipt(
        head=head, path=tuple(fields["path"]), sequence=fields["sequence"], **{name: fields[name] for name in texts}
    )


def verify(receipt: Receipt, public_key: bytes) -> None:
    """Check signature, path, sequence and writer by the writer's raw public key. Raises `MetaQoreError`.

    This proves the promise about the leaf hash. That the record behind it is this organization's and this task's is
    known once the record is at hand: `verify_record`.
    """
    head = receipt.head
    if receipt.writer != head.writer:
        raise ReceiptError("receipt_invalid", "The receipt names another writer than the one that signed.")
    verify_head(head, from_hex(receipt.signature), public_key)
    path = tuple(map(from_hex, receipt.path))
    index = receipt.sequence - head.first_sequence
    verify_inclusion(from_hex(receipt.leaf_hash), index, head.count, path, from_hex(head.root))


def verify_record(receipt: Receipt, record: bytes) -> None:
    """Check that `record`, in canonical bytes, is the one the receipt promises, in every field they share."""
    if leaf_hash(record).hex() != receipt.leaf_hash:
        raise ProofError("receipt_record_differs", "The record is not the one that the receipt promises.")
    fields = json.loads(record)
    shared = {
        "kind": "decision" if receipt.task else "command",
        "organization": receipt.organization,
        "receipt": receipt.id,
        "sequence": receipt.sequence,
        "task": receipt.task or None,
        "writer": receipt.writer,
    }
    for name, value in shared.items():
        if fields.get(name) != value:
            raise ReceiptError("receipt_record_differs", f"The record's {name} is not what the receipt says.")
