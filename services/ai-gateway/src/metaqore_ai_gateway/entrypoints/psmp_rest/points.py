"""Points of the past in a query: a version, a checkpoint or a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field

from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtTime, AtVersion, Point
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller

_CHECKPOINT: Final = "checkpoint:"
_CHECKPOINT_ID: Final = re.compile(r"checkpoint_[a-z2-7]{26}")
_TIME: Final = re.compile(  # RFC 3339 section 5.6
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US: Final = 1_000_000

_HOW: Final = (
    "a version of the project (`17`), a checkpoint's id or `checkpoint:<id or name>`, or a time (RFC 3339, "
    "`2026-01-31T12:00:00Z`)"
)

PointText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description=f"A point of the past: {_HOW}.",
        examples=["17", "checkpoint:before-the-rewrite", "2026-01-31T12:00:00Z"],
    ),
]
AtText = Annotated[PointText | None, Field(description=f"As it was then: {_HOW}. Without it, as it is now.")]


@dataclass(frozen=True, slots=True)
class Moment:
    """A point, and the project that it is of, where its name says so."""

    point: Point | None
    project: str = ""

    def check(self, project: str) -> None:
        """Raises `checkpoint_not_found` where the checkpoint is of another project."""
        if self.project not in {"", project}:
            raise not_found("checkpoint")


async def moment_of(readings: Readings, caller: Caller, text: str | None, project: str | None = None) -> Moment:
    """The point that `text` names, of `project` where that is known. Raises `point_invalid`, `checkpoint_not_found`."""
    if text is None:
        return Moment(None)
    moment = await _moment(readings, caller, text)
    if project is not None:
        moment.check(project or DEFAULT_PROJECT)
    return moment


async def _moment(readings: Readings, caller: Caller, text: str) -> Moment:
    if text.isascii() and text.isdecimal():
        return Moment(AtVersion(_version(text)))
    name = text.removeprefix(_CHECKPOINT)
    if _CHECKPOINT_ID.fullmatch(name):
        project, checkpoint = await readings.checkpoint(caller, name)
        return Moment(AtVersion(checkpoint.version), project)
    if name != text and name:
        return Moment(AtCheckpoint(name))
    return Moment(AtTime(_time_us(text)))


def _version(text: str) -> int:
    if len(text) > len(str(MAX_EXACT_INTEGER)) or int(text) > MAX_EXACT_INTEGER:
        raise _invalid()
    return int(text)


def _time_us(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise _invalid()
    date, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        raise _invalid() from None
    try:
        since = moment - _EPOCH
    except OverflowError:
        raise _invalid() from None
    us = int((fraction or "0").ljust(6, "0")[:6])
    return max(0, (since.days * 86_400 + since.seconds) * _SECOND_US + us)


def _invalid() -> MetaQoreError:
    return MetaQoreError("point_invalid", f"Name the point as {_HOW.replace('`', '')}.")
