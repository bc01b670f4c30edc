"""Answers one chat with a model: wait for a place, run the engine, count the tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_inference.domain.completion import Usage, gather, usage_of
from metaqore_inference.service.admission import Admission
from metaqore_inference.service.ports import Engine, EngineModel


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of the answer, or the whole completion, as an OpenAI object."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the answer; `queue_us` is how long it waited for a place, in microseconds."""

    usage: Usage
    queue_us: int


@dataclass(frozen=True, slots=True)
class Served:
    """An engine with its admission."""

    engine: Engine
    admission: Admission


class Generate:
    """The use case behind `inference.v1.Generate`."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served

    def models(self) -> list[EngineModel]:
        """The models served here."""
        return [served.engine.model for served in self._served.values()]

    async def __call__(
        self, model: str, request: dict[str, Any], *, stream: bool, deadline_s: float
    ) -> AsyncGenerator[Piece | Finished]:
        """The pieces of the answer, then `Finished`. Raises `model_not_found`, what admission and the engine raise."""
        served = self._served.get(model)
        if served is None:
            known = ", ".join(self._served) or "none"
            raise MetaQoreError(
                "model_not_found", f"No model {model!r} is served here; there are: {known}.", kind=ErrorKind.NOT_FOUND
            )
        arrived = time.monotonic_ns()
        async with served.admission.place(deadline_s):
            queue_us = (time.monotonic_ns() - arrived) // 1000
            kept: list[dict[str, Any]] = []
            async with aclosing(served.engine.chat(request)) as chunks:
                async for chunk in chunks:
                    if not stream or chunk.get("usage") or _ends(chunk):
                        kept.append(chunk)
                    if stream:
                        yield Piece(chunk)
            if not stream:
                yield Piece(gather(kept))
            yield Finished(usage_of(kept), queue_us)


def _ends(chunk: dict[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in chunk.get("choices", ()))
