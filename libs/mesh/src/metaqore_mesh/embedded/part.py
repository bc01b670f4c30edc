"""A part of the mesh: one process, how it is started, and how one knows that it is ready."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PartState(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


async def _nothing() -> None:
    """A part that needs nothing after its start."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process that the supervisor keeps running.

    - `command` is asked before each start and may prepare it; the program must die with its parent (see `tied`).
    - `probe` says whether it is ready, see `ask`; None: as soon as it runs. An http probe that ends in `/ready` has
      a `/live` beside it: a part that says there that it is dead is restarted.
    - `settle` runs after each start, once the probe answers, before the part counts as ready. A retryable
      `MetaQoreError` means: not yet.
    - `ports` must be free before the first start; the keys are the variables that move them.
    """

    name: str
    command: Callable[[], Awaitable[list[str]]]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    probe: str | None = None
    settle: Callable[[], Awaitable[None]] = _nothing
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person is told when a part changes. `seconds` is the time that it took to be ready, or waits for."""

    part: str
    state: PartState
    seconds: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        """One line for a person."""
        match self.state:
            case PartState.READY:
                return f"{self.part} is ready ({self.seconds:.1f} s)"
            case PartState.RESTARTING:
                return f"{self.part} died ({self.reason}); it starts again in {self.seconds:.1f} s"
            case _:
                return f"{self.part} is {self.state}" + (f" ({self.reason})" if self.reason else "")
