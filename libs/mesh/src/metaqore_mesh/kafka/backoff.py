"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, jittered down to half, capped: many clients do not come back in step."""

    first_s: float = 0.1
    factor: float = 2.0
    most_s: float = 10.0

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after the failure of attempt `attempt` (from 1)."""
        exponent = min(attempt - 1, 64)  # 2.0**1024 overflows, and the cap is long reached
        delay = min(self.most_s, self.first_s * self.factor**exponent)
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
