"""Server-sent events (WHATWG HTML, section 9.2.6): the `data` of each event, and nothing more."""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024


class EventTooLargeError(Exception):
    """An event is larger than `MAX_EVENT_BYTES`."""


class EventReader:
    """Feed it a stream's bytes as they come, cut anywhere; it gives the data of each event that is whole."""

    def __init__(self) -> None:
        self._begun = bytearray()  # of an event, without what may belong to its end: it is not looked through again
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that `data` completes; events without data, or with empty data, are left out."""
        text = self._tail + data if self._tail else data
        held = b""
        if b"\r" in text:
            text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *events, rest = text.split(b"\n\n")
        if events and self._begun:
            events[0] = bytes(self._begun) + events[0]
            self._begun.clear()
        if rest.endswith(b"\n"):
            rest, held = rest[:-1], b"\n" + held
        self._begun += rest
        self._tail = held
        if len(self._begun) > MAX_EVENT_BYTES:
            raise EventTooLargeError
        return [found for event in events if (found := _data(event)) is not None]


def _data(event: bytes) -> bytes | None:
    event = event.lstrip(b"\n")
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:] or None
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) or None
