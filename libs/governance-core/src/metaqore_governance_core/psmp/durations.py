"""How long something still is, as people say it."""

from __future__ import annotations

from typing import Final

_SECOND_US: Final = 1_000_000
_UNITS: Final = ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h"))
_DAY_S: Final = 86_400


def until(end_us: int, now_us: int) -> str:
    """`in 3 s`, `in 5 min`, `in 2 h`, `in 4 days`, never less than it is; `now` where it is over."""
    seconds = -(-(end_us - now_us) // _SECOND_US)
    if seconds <= 0:
        return "now"
    for below_s, unit_s, name in _UNITS:
        if seconds < below_s:
            return f"in {-(-seconds // unit_s)} {name}"
    return f"in {-(-seconds // _DAY_S)} days"
