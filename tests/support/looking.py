"""Waiting for what something else does."""

import asyncio


async def until(condition, *, seen=lambda: None, looks=3000, every_s=0.02):
    """What `condition` gives once it holds; an AssertionError with what was `seen` if not after so many looks.

    They take a minute: longer than a statement to the database may hang before the mesh gives it up and goes on. Looks
    are counted, not seconds: a machine that stood still has looked at nothing.
    """
    for _ in range(looks):
        if found := condition():
            return found
        await asyncio.sleep(every_s)
    raise AssertionError(f"not after {looks} looks; seen: {seen()}")
