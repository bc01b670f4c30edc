"""A refusal as bytes, so that a repeat of what was refused is refused alike."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

_FIELDS: Final = 5
"""Those of every refusal; the conflicts of a decider's follow."""


def encode_refusal(refusal: MetaQoreError) -> bytes:
    """The refusal as JSON."""
    decided = isinstance(refusal, PsmpRefusedError)
    fields: list[Any] = [refusal.code, refusal.message, refusal.kind.value, list(refusal.reasons), decided]
    if isinstance(refusal, PsmpRefusedError):
        fields.append(refusal.conflicts)
    return msgspec.json.encode(fields)


def decode_refusal(body: bytes) -> MetaQoreError:
    """The refusal of these bytes."""
    fields = msgspec.json.decode(body)
    code, message, kind, reasons, decided = fields[:_FIELDS]
    class_ = PsmpRefusedError if decided else MetaQoreError
    refusal = class_(code, message, kind=ErrorKind(kind), reasons=tuple(reasons))
    if isinstance(refusal, PsmpRefusedError) and len(fields) > _FIELDS:
        refusal.conflicts = msgspec.convert(fields[_FIELDS], tuple[Conflict, ...])
    return refusal
