"""What happened, and what changed, as protobuf messages."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct

from metaqore.psmp.v1 import history_pb2 as pb
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import Names
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import AGGREGATES, CHANGES
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import timestamp
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.points import Difference
from metaqore_ai_gateway.service.psmp.reading_ports import Change, ChangeKind, PastEvent
from metaqore_governance_core.psmp.event_codec import encode


def event_message(past: PastEvent) -> pb.Event:
    """Something that happened."""
    happened = past.happened
    stored = encode(happened.event)
    data = Struct()
    data.update(stored.data)
    return pb.Event(
        id=past.id,
        project_id=past.project,
        project_version=happened.version,
        revision=happened.aggregate_version,
        aggregate=AGGREGATES[happened.of.kind],
        aggregate_id=past.aggregate_id,
        name=stored.name,
        schema=stored.schema,
        data=data,
        by=happened.event.by,
        time=timestamp(past.recorded_us),
        receipt_id=past.receipt,
    )


def change_message(change: Change) -> pb.Change:
    """How two points differ in one thing."""
    return pb.Change(
        aggregate=AGGREGATES[change.kind],
        id=change.id,
        name=change.name,
        kind=CHANGES[change.how],
        version_before=change.before,
        version_after=change.after,
        fields=change.fields,
    )


def difference_message(difference: Difference, names: Names) -> pb.Change:
    """How a restore changes an artifact: by which version counts."""
    before, after = difference.active
    how = ChangeKind.CHANGED
    if before is None:
        how = ChangeKind.ADDED
    elif after is None:
        how = ChangeKind.REMOVED
    return pb.Change(
        aggregate=AGGREGATES[Kind.ARTIFACT],
        id=names.id(difference.name),
        name=difference.name,
        kind=CHANGES[how],
        version_before=before.number if before else 0,
        version_after=after.number if after else 0,
        fields=("active_version",),
    )
