"""What Inference needs from the outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model that an engine serves, and how many tokens prompt and answer may have together."""

    id: str
    engine: str
    context_tokens: int


class Engine(Protocol):
    """Runs one model.

    - `chat` yields OpenAI `chat.completion.chunk` objects, the last of which carries `usage`; they name the model by
      its id, never by a path.
    - Closing the generator stops the engine's work on it within moments.
    - A request that the engine refuses is a `MetaQoreError` of kind invalid with a sentence that says why; the chunks
      before it, if any, stand.
    - What a message says stays text: none ends its own turn, or begins another's, with a control token of the model.
    - `slots` requests run side by side; what runs for one is never seen by another.
    - `close` stops the engine; what runs ends with `engine_stopped`, kind unavailable.
    """

    @property
    def model(self) -> EngineModel:
        """What it serves."""
        ...

    @property
    def slots(self) -> int:
        """How many requests run side by side."""
        ...

    def chat(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The chunks of the answer."""
        ...

    async def close(self) -> None:
        """Stop, and free the model."""
        ...
