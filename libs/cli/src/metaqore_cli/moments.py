"""Times as people say them: how long ago, for how long, and points in a project's past."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer
from google.protobuf.timestamp_pb2 import Timestamp

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SHOWN: Final = re.compile(r"(\d+) (s|min|h|days)")
"""A duration as `said` says it, which people copy."""
_SAID: Final = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (30 * 86_400, 86_400, "days"))


def duration_s(text: str) -> float:
    """Seconds of `90s`, `30m`, `1h30m`, `7d` or `2w`. Raises `typer.BadParameter`."""
    if not _DURATION.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no duration. Write 90s, 30m, 1h30m, 7d or 2w.")
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def duration_us(text: str) -> int:
    """The same in microseconds, at least 1."""
    return max(1, round(duration_s(text) * 1e6))


def said(seconds: float) -> str:
    """A duration in one unit: `40 s`, `12 min`, `3 h`, `5 days`."""
    for below, unit, name in _SAID:
        if seconds < below:
            return f"{int(seconds // unit)} {name}" if seconds >= 1 else "0 s"
    return f"{int(seconds // 86_400)} days"


def _until(seconds: float) -> str:
    """What is to come, rounded: nine minutes and 58 seconds are ten minutes."""
    unit = max((each for _, each, _ in _SAID if each <= seconds), default=1)
    return said(round(seconds / unit) * unit)


def ago(moment: Timestamp, now: datetime | None = None) -> str:
    """`3 h ago`, `in 20 min`, or empty where it is not set."""
    if not (moment.seconds or moment.nanos):
        return ""
    seconds = ((now or datetime.now(UTC)) - moment.ToDatetime(UTC)).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{said(seconds)} ago" if seconds > 0 else f"in {_until(-seconds)}"


def local(moment: Timestamp) -> str:
    """`2026-10-03 14:05:07` on this machine's clock, with how long ago that is; empty where it is not set."""
    if not (moment.seconds or moment.nanos):
        return ""
    return f"{moment.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M:%S} ({ago(moment)})"


def moment(text: str, now: datetime | None = None) -> datetime | None:
    """The time of `2026-10-03T14:00`, `yesterday`, `2h ago` or `2 h ago`; None where it is none. No zone is local."""
    present = now or datetime.now(UTC)
    word = text.strip().removesuffix("ago").strip()
    if word == "yesterday":
        return present - timedelta(days=1)
    if shown := _SHOWN.fullmatch(word):
        word = shown[1] + shown[2][0]
    if _DURATION.fullmatch(word):
        return present - timedelta(seconds=duration_s(word))
    try:
        return datetime.fromisoformat(word).astimezone(UTC)
    except ValueError:
        return None
