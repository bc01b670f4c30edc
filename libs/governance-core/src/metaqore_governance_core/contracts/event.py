"""What every event model has in common."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

MAX_EXACT_INTEGER = (1 << 53) - 1
"""The largest integer that every JSON reader holds exactly."""

Count = Annotated[int, Field(ge=0, le=MAX_EXACT_INTEGER)]
HexHash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Microseconds = Annotated[int, Field(ge=0, le=MAX_EXACT_INTEGER, description="Microseconds.")]
UnixMicroseconds = Annotated[int, Field(ge=0, le=MAX_EXACT_INTEGER, description="Microseconds since the Unix epoch.")]


class Event(BaseModel):
    """The value of a message. Unknown fields are passed over, so that writers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ce_type: ClassVar[str]
    topic: ClassVar[str]
