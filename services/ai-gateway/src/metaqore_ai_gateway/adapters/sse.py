"""Server-sent events (WHATWG HTML, section 9.2.6): the `data` of each event, and nothing more."""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024


class EventTooLargeError(Exception):
    """An event is larger than `MAX_EVENT_BYTES`."""


class EventReader:
    """Feed it a stream's bytes as they come, cut anywhere; it gives the data of each event that is whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes; events without data, or with empty data, are left out."""
        text = self._rest + data if self._rest else data
        if b"\r" in text:
            text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        *events, rest = text.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLargeError
        return [found for event in events if (found := _data(event)) is not None]


def _data(event: bytes) -> bytes | None:
    event = event.lstrip(b"\n")
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:] or None
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) or None
