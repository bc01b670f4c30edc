"""Waiting for what something else does."""

import asyncio
import inspect


async def until(condition, *, seen=lambda: None, looks=3000, every_s=0.02):
    """What `condition`, awaited where it must be, gives once it holds; an AssertionError with what was `seen` if never.

    They take a minute: longer than a statement to the database may hang before the mesh gives it up and goes on. Looks
    are counted, not seconds: a machine that stood still has looked at nothing.
    """
    for _ in range(looks):
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(every_s)
    raise AssertionError(f"not after {looks} looks; seen: {seen()}")
