"""llama.cpp in this process, through xllamacpp."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_inference.adapters.control_tokens import ControlTokens, control_tokens_of
from metaqore_inference.service.ports import EngineModel

_END: Final[dict[str, Any]] = {}


class XllamacppEngine:
    """One GGUF model; `slots` requests share the processor by continuous batching.

    llama.cpp's own HTTP server cannot be turned off: it listens on a loopback port of its choice. It gets a random
    key that never leaves this process, so another process is refused (all but its `/health`).
    """

    def __init__(
        self, model: EngineModel, server: Any, controls: ControlTokens, *, slots: int, default_max_tokens: int
    ) -> None:
        self._model = model
        self._server = server
        self._controls = controls
        self._slots = slots
        self._default_max_tokens = default_max_tokens
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="engine")
        self._stopping = threading.Event()

    @classmethod
    def load(
        cls, name: str, file: Path, *, slots: int, context_tokens: int, threads: int, default_max_tokens: int
    ) -> XllamacppEngine:
        """Loads the model: blocks for about a second, so call it off the event loop."""
        # Threads that wait for each other sleep instead of spinning: where the processor is shared, spinning ones keep
        # it from the one they wait for, and an answer takes many times as long. `poll` says so to llama.cpp's own
        # threads, this variable to OpenMP's, which reads it once: as the import loads it.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import xllamacpp  # noqa: PLC0415 - slow to import

        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.model_alias = {name}
        params.n_parallel = slots
        params.n_ctx = context_tokens * slots
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.cpuparams.poll = 0
        params.cpuparams_batch.poll = 0
        params.port = 0
        params.api_keys = [secrets.token_urlsafe(32)]
        params.ui = False
        params.endpoint_slots = False
        params.endpoint_props = False
        params.verbosity = -1
        model = EngineModel(name, "xllamacpp", context_tokens)
        controls = control_tokens_of(file)
        return cls(model, xllamacpp.Server(params), controls, slots=slots, default_max_tokens=default_max_tokens)

    @property
    def model(self) -> EngineModel:
        """The model it serves."""
        return self._model

    @property
    def slots(self) -> int:
        """How many requests run side by side."""
        return self._slots

    @property
    def listening_address(self) -> str:
        """Where llama.cpp's own HTTP server listens: for the test that it lets nobody in."""
        return str(self._server.listening_address)

    async def chat(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """See the port. The engine works in a thread; its callback hands each chunk to this event loop."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        left = threading.Event()

        def take(chunk: dict[str, Any]) -> bool:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return left.is_set() or self._stopping.is_set()

        def run() -> None:
            try:
                self._server.handle_chat_completions(self._asked(request), take)
            # What llama.cpp's own parser refuses; its faults while it works come as chunks.
            except (ValueError, RuntimeError) as error:
                take({"error": {"code": 400, "message": str(error)}})
            finally:
                loop.call_soon_threadsafe(chunks.put_nowait, _END)

        working = loop.run_in_executor(self._threads, run)
        created: int | None = None
        counted: dict[str, Any] | None = None
        try:
            while (chunk := await chunks.get()) is not _END:
                if "error" in chunk:
                    raise _refusal(chunk["error"])
                chunk["model"] = self._model.id
                chunk["created"] = created = created or chunk["created"]  # llama.cpp writes the time of each
                chunk.pop("timings", None)
                if chunk.get("usage"):
                    counted = _counted_together(counted, chunk)
                else:
                    yield chunk
        finally:
            left.set()
            await asyncio.shield(working)
        if self._stopping.is_set():
            raise MetaQoreError(
                "engine_stopped", "The engine was stopped. Try again.", kind=ErrorKind.UNAVAILABLE, retryable=True
            )
        if counted is not None:
            yield counted

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        """`request` as this engine is to run it.

        The prompt cache is off: it is shared between slots, and the time that a hit saves would tell one organization
        what another has asked. What goes into the prompt is text, whatever the model's control tokens look like.
        """
        asked = {"max_tokens": self._default_max_tokens, **request}
        if asked["max_tokens"] is None:
            asked["max_tokens"] = request.get("max_completion_tokens") or self._default_max_tokens
        told: dict[str, Any] = {
            name: self._controls.as_text(asked[name]) for name in ("messages", "tools") if name in asked
        }
        return {
            **asked,
            **told,
            "model": self._model.id,
            "stream": True,
            "stream_options": {"include_usage": True},
            "cache_prompt": False,
        }

    async def close(self) -> None:
        """Stops what runs, waits for it, and frees the model."""
        self._stopping.set()
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        del self._server


def _counted_together(before: dict[str, Any] | None, chunk: dict[str, Any]) -> dict[str, Any]:
    """The last chunk of an answer: llama.cpp counts each of its choices by itself, and the prompt with each."""
    if before is not None:
        usage = chunk["usage"]
        usage["completion_tokens"] += before["usage"]["completion_tokens"]
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    return chunk


def _refusal(error: dict[str, Any]) -> MetaQoreError:
    message = str(error.get("message", "The engine refused the request."))
    if error.get("type") == "exceed_context_size_error":
        return MetaQoreError("context_length_exceeded", f"The prompt is too long: {message}.", kind=ErrorKind.INVALID)
    if int(error.get("code", 500)) < 500:  # noqa: PLR2004 - the HTTP class of a server's fault
        return MetaQoreError("engine_refused", message, kind=ErrorKind.INVALID)
    return MetaQoreError("engine_failed", "The engine failed. Try again.", kind=ErrorKind.UNAVAILABLE, retryable=True)
