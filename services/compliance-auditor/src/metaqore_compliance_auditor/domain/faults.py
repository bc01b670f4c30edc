"""Something in a log that does not fit, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is stable; `message` tells a person what does not fit. Places that do not apply are None."""

    code: str
    message: str
    organization: str
    leaf_index: int | None = None
    writer: str | None = None
    sequence: int | None = None
