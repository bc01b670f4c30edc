"""An event as it is given on: with its place, and its body as it is stored, which most who pass it on never read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id, event_id
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent
from metaqore_governance_core.psmp.event_codec import StoredEvent, decode, encode

SYSTEM_CAUSE: Final = "system:"
"""With this begins the id of a submission that no command caused, and that has no receipt."""


class _Author(msgspec.Struct):
    by: str


_AUTHORS: Final = msgspec.json.Decoder(_Author)


@dataclass(frozen=True, slots=True)
class Relayed:
    """`version` is its place in the project, `revision` in what it happened to. `body` is JSON in its `schema`.

    `recorded_us` is when it was written, in microseconds since the Unix epoch; `command` is what caused it.
    """

    organization: str
    project: str
    version: int
    of: Ref
    revision: int
    name: str
    schema: int
    body: bytes
    command: str
    recorded_us: int

    @property
    def id(self) -> str:
        """It names the event in its organization for ever."""
        return event_id(self.project, self.version)

    @property
    def aggregate_id(self) -> str:
        """The public id of what it happened to."""
        if self.of.kind is Kind.ARTIFACT:
            return artifact_id(self.organization, self.project, self.of.id)
        return self.of.id

    @property
    def receipt(self) -> str | None:
        """The id of the receipt of the command that caused it."""
        return None if self.command.startswith(SYSTEM_CAUSE) else self.command

    @property
    def by(self) -> str:
        """Who did it, by name."""
        return _AUTHORS.decode(self.body).by

    @property
    def happened(self) -> Happened:
        """The event itself. It is read anew each time, which costs."""
        event = decode(StoredEvent(self.name, self.schema, msgspec.json.decode(self.body)))
        return Happened(self.version, self.of, self.revision, event)

    def past(self) -> PastEvent:
        """The same, for whoever reads the past."""
        return PastEvent(
            self.id,
            self.organization,
            self.project,
            self.happened,
            self.aggregate_id,
            self.receipt or "",
            self.recorded_us,
        )


def change(event: Relayed) -> dict[str, Any]:
    """The fields of `ProjectChanged`, for a JSON encoder of msgspec: `data` is passed on as it is stored."""
    return {
        "organization": event.organization,
        "project": event.project,
        "version": event.version,
        "aggregate": event.of.kind.value,
        "id": event.aggregate_id,
        "revision": event.revision,
        "name": event.name,
        "data_schema": event.schema,
        "data": msgspec.Raw(event.body),
        "by": event.by,
        "receipt": event.receipt,
        "time_us": event.recorded_us,
    }


def past_change(event: PastEvent) -> dict[str, Any]:
    """The same of an event that was read from the past."""
    stored = encode(event.happened.event)
    return {
        "organization": event.organization,
        "project": event.project,
        "version": event.happened.version,
        "aggregate": event.happened.of.kind.value,
        "id": event.aggregate_id,
        "revision": event.happened.aggregate_version,
        "name": stored.name,
        "data_schema": stored.schema,
        "data": stored.data,
        "by": event.happened.event.by,
        "receipt": event.receipt or None,
        "time_us": event.recorded_us,
    }
