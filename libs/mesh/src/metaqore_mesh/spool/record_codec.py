"""Records to canonical bytes (RFC 8785) and back, fast enough for the hot path."""

from __future__ import annotations

from typing import Final

import msgspec

from metaqore_governance_core.records import CommandRecord, DecisionRecord, OutcomeRecord, Record

_encoder: Final = msgspec.json.Encoder(order="deterministic")


class _Kind(msgspec.Struct):
    kind: str


class _Records(msgspec.Struct):
    records: list[msgspec.Raw]


_kind: Final = msgspec.json.Decoder(_Kind)
_records: Final = msgspec.json.Decoder(_Records)
_decoders: Final[dict[str, msgspec.json.Decoder[Record]]] = {
    "decision": msgspec.json.Decoder(DecisionRecord),
    "outcome": msgspec.json.Decoder(OutcomeRecord),
    "command": msgspec.json.Decoder(CommandRecord),
}

encode_record = _encoder.encode
"""A record's canonical bytes, as its fields stand in order, it holds no floats, no integer of 2^53 or more and only
ASCII keys.

Raises `UnicodeEncodeError` for a lone surrogate.
"""


def decode_record(raw: bytes) -> Record:
    """The record in canonical bytes. Raises `msgspec.MsgspecError`."""
    kind = _kind.decode(raw).kind
    if kind not in _decoders:
        raise msgspec.ValidationError("This version of MetaQore knows no record of that kind. Update it.")
    return _decoders[kind].decode(raw)


def records_in(value: bytes) -> list[bytes]:
    """The bytes of each record in a group's value, as they stand there. Raises `msgspec.MsgspecError`."""
    return [bytes(raw) for raw in _records.decode(value).records]
