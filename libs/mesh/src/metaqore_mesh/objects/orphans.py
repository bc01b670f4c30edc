"""Objects that no row keeps: left by a crash between a put and its row, or by an erasure's deletion that failed."""

from __future__ import annotations

import time

from metaqore_mesh.objects.body import BODIES
from metaqore_mesh.objects.kept import KeptBodies
from metaqore_mesh.objects.port import ObjectStore

ORPHAN_AGE_S = 24 * 3600.0
"""Longer than any put goes on, than its row's transaction after it, and than two clocks differ."""

_ASKED_AT_ONCE = 500


async def collect_orphans(objects: ObjectStore, kept: KeptBodies, *, older_than_s: float = ORPHAN_AGE_S) -> int:
    """Delete the bodies' objects that are this old and that no living row names, and what unfinished puts left.

    Returns how many things were removed. It may run at any time, beside puts and beside itself; an orphan is younger
    than `older_than_s` until its row could be there, so that no put in progress loses its object.
    """
    removed = await objects.sweep(older_than_s)
    names: list[str] = []
    async for stored in objects.list(BODIES):
        if time.time() - stored.stored_at_s >= older_than_s:
            names.append(stored.name)
        if len(names) == _ASKED_AT_ONCE:
            removed += await _delete_dead(objects, kept, names)
            names = []
    return removed + await _delete_dead(objects, kept, names)


async def _delete_dead(objects: ObjectStore, kept: KeptBodies, names: list[str]) -> int:
    dead = set(names) - await kept.living(names) if names else set()
    for name in dead:
        await objects.delete(name)
    return len(dead)
