"""What a webhook is sent: an event as Standard Webhooks wants payloads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from metaqore_ai_gateway.service.psmp.relayed import Relayed, change

MAX_DATA_BYTES: Final = 256 * 1024
"""An event with more goes without its data, as it does on its topic; the project's history has it."""

_NOTHING: Final = msgspec.Raw(b"{}")
_ENCODER: Final = msgspec.json.Encoder()


def message(event: Relayed) -> bytes:
    """`type` is the event's name, `timestamp` when it was written, `data` is `ProjectChanged` with its `event_id`."""
    told = {"event_id": event.id, **change(event)}
    if len(event.body) > MAX_DATA_BYTES:
        told["data"] = _NOTHING
    written = datetime.fromtimestamp(event.recorded_us / 1_000_000, UTC)
    return _ENCODER.encode({"type": event.name, "timestamp": written.isoformat().replace("+00:00", "Z"), "data": told})
