"""The wire form of a group commit: JSON, whose records are sliced out byte for byte, never written anew."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

from metaqore_compliance_auditor.adapters.canonical_form import is_canonical
from metaqore_compliance_auditor.domain.groups import Facts, Leaf, Refused, SignedGroup, Unreadable
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.records import MAX_RECORD_BYTES, RECORD_VERSION

GROUP_VERSION: Final = 1
MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PLACE: Final = re.compile(r"(?<= - at `)\$[\w.\[\]]*(?=`$)")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")


_Exact = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
"""An integer that every JSON reader holds exactly, and a column holds as well."""


class _Versioned(msgspec.Struct):
    version: int


class _Group(msgspec.Struct):
    count: _Exact
    first_sequence: _Exact
    key_id: str
    records: list[msgspec.Raw]
    root: str
    signature: str
    time_us: _Exact
    writer: str


class _Record(msgspec.Struct):
    version: int
    kind: Literal["decision", "outcome", "command"]
    organization: str
    organization_sequence: _Exact
    receipt: str
    sequence: _Exact
    time_us: _Exact
    writer: str
    decision: str | None = None
    task: str | None = None


_version: Final = msgspec.json.Decoder(_Versioned)
_group: Final = msgspec.json.Decoder(_Group)
_record: Final = msgspec.json.Decoder(_Record)


def parse_group(data: bytes) -> SignedGroup:
    """The group in `data`. Raises `Refused` where it is none, `Unreadable` where its version is a later one."""
    if len(data) > MAX_GROUP_BYTES:
        raise Refused("group_too_large", f"A group has at most {MAX_GROUP_BYTES} bytes; this one has {len(data)}.")
    _check_version("group", data, GROUP_VERSION)
    try:
        group = _group.decode(data)
    except _UNREADABLE as error:
        raise Refused("malformed_group", f"The message is no group commit{_where(error)}.") from error
    if not (_NAME.fullmatch(group.writer) and group.first_sequence > 0 and 0 < group.count == len(group.records)):
        raise Refused("malformed_group", "A group names its writer, starts from 1 or later and counts its records.")
    return SignedGroup(
        head=GroupHead(
            count=group.count,
            first_sequence=group.first_sequence,
            key_id=group.key_id,
            root=_hex(group.root, 32).hex(),
            time_us=group.time_us,
            writer=group.writer,
        ),
        signature=_hex(group.signature, 64),
        leaves=tuple(parse_leaf(bytes(record)) for record in group.records),
    )


def parse_leaf(record: bytes) -> Leaf:
    """The record and what the auditor reads of it. Raises as `parse_group`."""
    if len(record) > MAX_RECORD_BYTES:
        raise Refused("record_too_large", f"A record has at most {MAX_RECORD_BYTES} bytes; one has {len(record)}.")
    facts = parse_facts(record)
    if not is_canonical(record):
        raise Refused("record_not_canonical", f"Record {facts.sequence} is not in the canonical form of RFC 8785.")
    return Leaf(record, leaf_hash(record), facts)


def parse_facts(record: bytes) -> Facts:
    """What the auditor reads of a record. Raises as `parse_group`."""
    try:
        read = _record.decode(record)
    except _UNREADABLE as error:
        _check_version("record", record, RECORD_VERSION)
        raise Refused("malformed_record", f"One of the group's records cannot be read{_where(error)}.") from error
    if read.version != RECORD_VERSION:
        _check_version("record", record, RECORD_VERSION)
    if not _NAME.fullmatch(read.organization) or (read.kind == "outcome" and read.decision is None):
        raise Refused("malformed_record", "A record names its organization, and an outcome its decision.")
    if (read.kind == "command") != (read.task is None):
        raise Refused("malformed_record", "A decision and an outcome name their task, and a command names none.")
    if not all(_UUID.fullmatch(each) for each in (read.task, read.receipt) if each is not None):
        raise Refused("malformed_record", "A record's task and receipt are UUIDs in lower case (RFC 9562).")
    return Facts(
        kind=read.kind,
        organization=read.organization,
        organization_sequence=read.organization_sequence,
        receipt=read.receipt,
        sequence=read.sequence,
        task=read.task,
        time_us=read.time_us,
        writer=read.writer,
        decision=read.decision,
    )


def _check_version(what: str, data: bytes, known: int) -> None:
    try:
        version = _version.decode(data).version
    except _UNREADABLE as error:
        raise Refused(f"malformed_{what}", f"This is no {what}{_where(error)}.") from error
    if version > known:
        raise Unreadable("version_unknown", f"A {what} has version {version}; this auditor reads {known}: upgrade it.")
    if version != known:
        raise Refused(f"malformed_{what}", f"There is no version {version} of a {what}.")


def _where(error: Exception) -> str:
    """The place that `error` names. Its text may repeat what stands there, and goes nowhere."""
    place = _PLACE.search(str(error))
    return f": it does not fit at {place[0]}" if place else ""


def _hex(text: str, size: int) -> bytes:
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise Refused("malformed_group", f"A root has 32 and a signature 64 bytes, in lower-case hex, not {len(text)}.")
    return bytes.fromhex(text)
