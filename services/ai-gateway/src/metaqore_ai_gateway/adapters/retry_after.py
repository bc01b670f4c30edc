"""How long a server asks to be left alone (RFC 9110 section 10.2.3)."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = re.compile(rb"[0-9]{1,9}")


def seconds_of(retry_after: bytes | None) -> int | None:
    """The seconds that a `Retry-After` says; None for a date, for more than thirty years, and for what is neither."""
    return int(retry_after) if retry_after is not None and _SECONDS.fullmatch(retry_after) else None
