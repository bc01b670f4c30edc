"""What a process and all that it started cost: processor time, resident memory, and the core they are kept on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)
"""User and system time of the process, then of its children that have ended and were waited for (proc(5))."""


def _fields(pid: int) -> list[str]:
    """What /proc tells of a process after its name, empty where there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return []


def tree(*roots: int) -> set[int]:
    """The processes `roots`, as far as they run, and all that descend from them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found: set[int] = set()
    left = [root for root in roots if _fields(root)]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of the processes, their threads and their ended children, in seconds."""
    return sum(int(ticks) for pid in pids for ticks in _fields(pid)[_TIMES]) / _TICKS_PER_S


def resident_mib(pids: Iterable[int]) -> float:
    """Resident memory of the processes together, in MiB; pages that two of them share count twice."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES / 2**20


def keep_on_core(core: int, pids: Iterable[int]) -> None:
    """Keep every thread of the processes on one core, where this machine lends it to us and there is another."""
    lent = os.sched_getaffinity(0)
    if core not in lent or len(lent) == 1:
        return
    for pid in pids:
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    os.sched_setaffinity(int(thread.name), {core})
