"""Python's cycle collector, told what this process is like."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 50_000
"""Objects between two looks at the young ones. A task makes and frees some hundreds; at Python's 700 the collector
looked several times a task, and took a quarter of the CPU.
"""

OLD_EVERY: Final = (20, 100)


def calm_collector() -> None:
    """Call it once, when everything that lives as long as the process is there: that is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *OLD_EVERY)
