"""Points of the past, as a request names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from metaqore.psmp.v1 import common_pb2
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import identifier, invalid
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.points import AtTime, AtVersion, Point
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.identity import Caller

_SECOND_US: Final = 1_000_000
_US_NS: Final = 1_000
_LAST_S: Final = 253_402_300_799
"""The last second that a Timestamp may hold: the end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point, None for now, and the project that it is of where its name says so."""

    point: Point | None = None
    project: str = ""

    def check(self, project: str) -> None:
        """Raises `checkpoint_not_found` where the point is of another project."""
        if self.project not in {"", project}:
            raise not_found("checkpoint")


async def moment_of(
    readings: Readings, caller: Caller, message: common_pb2.Point, field: str, project: str | None = None
) -> Moment:
    """The point that a request names, of `project` where that is known; empty means the default one.

    Raises `invalid_request`, `checkpoint_not_found`.
    """
    read = _READERS.get(message.WhichOneof("at") or "")
    if read is not None:
        return Moment(read(message, field))
    if not message.HasField("checkpoint_id"):
        return Moment()
    found, checkpoint = await readings.checkpoint(caller, identifier(message.checkpoint_id, f"{field}.checkpoint_id"))
    moment = Moment(AtVersion(checkpoint.version), found)
    if project is not None:
        moment.check(project or DEFAULT_PROJECT)
    return moment


def timestamp(time_us: int) -> Timestamp:
    """Microseconds since the Unix epoch as a message."""
    seconds, rest_us = divmod(time_us, _SECOND_US)
    return Timestamp(seconds=seconds, nanos=rest_us * _US_NS)


def _version(message: common_pb2.Point, field: str) -> Point:
    return AtVersion(exact(message.version, f"{field}.version"))


def _time(message: common_pb2.Point, field: str) -> Point:
    time = message.time
    if not 0 <= time.nanos < _SECOND_US * _US_NS or abs(time.seconds) > _LAST_S:
        raise invalid(f"{field}.time", "is no time.")
    return AtTime(max(0, time.seconds * _SECOND_US + time.nanos // _US_NS))


_READERS: Final[dict[str, Callable[[common_pb2.Point, str], Point]]] = {"version": _version, "time": _time}


def exact(number: int, field: str) -> int:
    """A number that every reader of JSON holds. Raises `invalid_request`."""
    if number > MAX_EXACT_INTEGER:
        raise invalid(field, "is too large.")
    return number
