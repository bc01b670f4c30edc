"""Liveness and readiness: named checks, each of which says why it fails."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

#: None when all is well, else a short reason. It may be asked often: it looks at a state, it does no work.
Check = Callable[[], str | Awaitable[str | None] | None]

CHECK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """The checks of one service.

    A failed liveness check means that only a restart can help. A failed readiness check means: send nothing now.
    Who is not alive is not ready either. A notice tells of something that is wrong and stops no work.
    """

    _live: dict[str, Check] = field(default_factory=dict)
    _ready: dict[str, Check] = field(default_factory=dict)
    _notices: dict[str, Check] = field(default_factory=dict)

    def add_liveness(self, name: str, check: Check) -> None:
        """Register `check`; a check of the same name is replaced."""
        self._live[name] = check

    def add_readiness(self, name: str, check: Check) -> None:
        """Register `check`; a check of the same name is replaced."""
        self._ready[name] = check

    def add_notice(self, name: str, check: Check) -> None:
        """Register `check`; a check of the same name is replaced."""
        self._notices[name] = check

    async def liveness(self) -> dict[str, str | None]:
        """Each liveness check with its reason, None where it passes."""
        return await _asked(self._live)

    async def readiness(self) -> dict[str, str | None]:
        """Each check with its reason, None where it passes."""
        return await _asked({**self._live, **self._ready})

    async def notices(self) -> dict[str, str | None]:
        """Each notice with its reason, None where all is well."""
        return await _asked(self._notices)


async def _asked(checks: dict[str, Check]) -> dict[str, str | None]:
    reasons = await asyncio.gather(*(_reason(check) for check in checks.values()))
    return dict(zip(checks, reasons, strict=True))


async def _reason(check: Check) -> str | None:
    """A check that raises or hangs fails, and says so: a probe must answer whatever happens."""
    try:
        found = check()
        if inspect.isawaitable(found):
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await found
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - the reason is the answer
        return f"{type(error).__name__}: {error}"
    else:
        return found
