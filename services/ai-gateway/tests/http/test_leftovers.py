"""A request that is over leaves nothing that only the collector could free: what was allocated for it is used again."""

from __future__ import annotations

import asyncio
import gc

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

REQUESTS = 10


def alive() -> int:
    return sum(isinstance(one, RequestResponseCycle) for one in gc.get_objects())


@pytest.mark.parametrize(
    ("status", "asked", "key"),
    [(200, {}, "key-alice"), (200, {"stream": True}, "key-alice"), (403, {}, "key-intern"), (401, {}, "no key")],
    ids=["whole", "streamed", "denied", "refused"],
)
async def test_a_request_that_is_over_is_freed_at_once(gateway, status, asked, key):
    gc.collect()
    before = alive()
    gc.disable()
    try:
        for _ in range(REQUESTS):
            assert (await gateway.chat(asked, key=key)).status_code == status
        async with asyncio.timeout(10):
            await gateway.core.admission.idle()
        assert alive() - before <= 1  # the connection knows its last
    finally:
        gc.enable()
