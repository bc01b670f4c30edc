"""Records to canonical bytes (RFC 8785) and back, fast enough for the hot path."""

from __future__ import annotations

from typing import Final

import msgspec

from metaqore_governance_core.records import DecisionRecord, OutcomeRecord, Record

_encoder: Final = msgspec.json.Encoder(order="sorted")


class _Kind(msgspec.Struct):
    kind: str


class _Records(msgspec.Struct):
    records: list[msgspec.Raw]


_kind: Final = msgspec.json.Decoder(_Kind)
_records: Final = msgspec.json.Decoder(_Records)
_decision: Final = msgspec.json.Decoder(DecisionRecord)
_outcome: Final = msgspec.json.Decoder(OutcomeRecord)

encode_record = _encoder.encode
"""A record's canonical bytes, as records hold no floats, no integer of 2^53 or more and only ASCII keys.

Raises `UnicodeEncodeError` for a lone surrogate.
"""


def decode_record(raw: bytes) -> Record:
    """The record in canonical bytes. Raises `msgspec.MsgspecError`."""
    return _decision.decode(raw) if _kind.decode(raw).kind == "decision" else _outcome.decode(raw)


def records_in(value: bytes) -> list[bytes]:
    """The bytes of each record in a group's value, as they stand there. Raises `msgspec.MsgspecError`."""
    return [bytes(raw) for raw in _records.decode(value).records]
