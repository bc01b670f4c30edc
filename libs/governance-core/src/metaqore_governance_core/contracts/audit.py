"""Events about the audit log."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from metaqore_governance_core.contracts.event import Count, Event, HexHash, UnixMicroseconds
from metaqore_governance_core.contracts.topics import AUDIT_CHECKPOINTS, AUDIT_RECORDS


class AuditRecorded(Event):
    """A group commit. Its records' canonical bytes (RFC 8785) are the leaves under `root`, which the writer signed."""

    ce_type: ClassVar[str] = "metaqore.audit.recorded.v1"
    topic: ClassVar[str] = AUDIT_RECORDS

    count: Annotated[int, Field(ge=1)]
    first_sequence: Annotated[int, Field(ge=1)]
    key_id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    records: list[dict[str, Any]]
    root: HexHash
    signature: Annotated[str, Field(pattern="^[0-9a-f]{128}$", description="Ed25519 (RFC 8032), in hex.")]
    time_us: UnixMicroseconds
    version: Literal[1]
    writer: str


class CheckpointSealed(Event):
    """An organization's log has a new signed head. `checkpoint` is the C2SP signed note; the rest repeats it."""

    ce_type: ClassVar[str] = "metaqore.audit.sealed.v1"
    topic: ClassVar[str] = AUDIT_CHECKPOINTS

    organization: str
    origin: str
    size: Count
    root: HexHash
    checkpoint: str
    time_us: UnixMicroseconds
