"""What PSMP's part of the slow plane works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from metaqore_ai_gateway.service.psmp.governed import CommandGate
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_ai_gateway.service.psmp.uploads import Uploads
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks

_MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RestLimits:
    """The largest body of a request in JSON, and the largest content of a version, in bytes."""

    body_bytes: int = 8 * _MEBIBYTE
    content_bytes: int = 256 * _MEBIBYTE


@dataclass(frozen=True, slots=True)
class PsmpDoor:
    """The use cases behind `/api/v1`."""

    gate: CommandGate
    readings: Readings
    uploads: Uploads
    get_task: GetTask
    list_tasks: ListTasks
    limits: RestLimits = RestLimits()


def _door(request: Request) -> PsmpDoor:
    return cast("PsmpDoor", request.app.state.psmp)


Door = Annotated[PsmpDoor, Depends(_door)]
