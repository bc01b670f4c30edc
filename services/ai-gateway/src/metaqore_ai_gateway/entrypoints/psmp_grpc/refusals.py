"""Why a command was not done, as the detail of a status: as much of it as fits into trailers."""

from __future__ import annotations

from typing import Final

from metaqore.psmp.v1 import conflict_pb2
from metaqore.psmp.v1 import refusal_pb2 as pb
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import conflict_message, ways_out
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import REFUSALS
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_mesh.errors import MAX_DETAILS_BYTES

_FRAME: Final = 100
"""What an Any and the lengths of its parts take, in bytes."""

_WAYS: Final = 700
"""What is kept free for what would help, in bytes."""

_LONGEST_EXPLANATION: Final = 600


def refusal_message(error: CommandRefusedError) -> pb.Refusal:
    """The refusal; `cut` tells where something had no room."""
    message = pb.Refusal(state=REFUSALS[error.state], receipt_id=error.receipt)
    for conflict in error.conflicts:
        fitting = _fitting(conflict, MAX_DETAILS_BYTES - _FRAME - _WAYS - message.ByteSize())
        if fitting is None:
            message.cut = True
            break
        message.conflicts.append(fitting)
    room = MAX_DETAILS_BYTES - _FRAME - message.ByteSize()
    for way in ways_out(error.ways_out):
        room -= way.ByteSize() + 4
        if room < 0:
            message.cut = True
            break
        message.ways_out.append(way)
    return message


def _fitting(conflict: Conflict, room: int) -> conflict_pb2.Conflict | None:
    """The conflict, without those who only share its key, or without anybody, where it is too large."""
    message = conflict_message(conflict, _unknown)
    if message.ByteSize() <= room:
        return message
    message.ClearField("parties")
    if message.ByteSize() <= room:
        return message
    message.ClearField("clashing")
    message.explanation = message.explanation[:_LONGEST_EXPLANATION]
    return message if message.ByteSize() <= room else None


def _unknown(_: str) -> str:
    """A refusal names artifacts by name alone."""
    return ""
