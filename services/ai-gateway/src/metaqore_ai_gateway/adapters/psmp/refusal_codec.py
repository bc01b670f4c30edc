"""A refusal as bytes, so that a repeat of what was refused is refused alike."""

from __future__ import annotations

import json

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.refusal import PsmpRefusedError


def encode_refusal(refusal: MetaQoreError) -> bytes:
    """The refusal as JSON."""
    decided = isinstance(refusal, PsmpRefusedError)
    fields = [refusal.code, refusal.message, refusal.kind.value, list(refusal.reasons), decided]
    return json.dumps(fields).encode()


def decode_refusal(body: bytes) -> MetaQoreError:
    """The refusal of these bytes."""
    code, message, kind, reasons, decided = json.loads(body)
    class_ = PsmpRefusedError if decided else MetaQoreError
    return class_(code, message, kind=ErrorKind(kind), reasons=tuple(reasons))
