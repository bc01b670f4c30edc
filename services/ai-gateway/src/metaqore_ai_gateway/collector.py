"""Python's cycle collector, told what this process is like."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 200_000
"""Objects between two looks at the young ones. A task makes and frees some hundreds; at Python's 700 the collector
looked several times a task, and took a quarter of the CPU. A look at a thousand running tasks takes 18 ms, in which
nothing else runs: at 50,000 that was every five thousandth task.
"""

OLD_EVERY: Final = (20, 100)


def calm_collector() -> None:
    """Call it once, when everything that lives as long as the process is there: that is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *OLD_EVERY)
