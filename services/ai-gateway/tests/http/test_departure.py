"""Watching for a client that leaves keeps nothing of a request that is over."""

from __future__ import annotations

import asyncio
import gc
import weakref

from looking import until

from metaqore_ai_gateway.entrypoints import http_departure
from metaqore_ai_gateway.entrypoints.http_departure import Departure


class Request:
    async def receive(self):
        await asyncio.Event().wait()


async def test_a_watch_that_ended_leaves_nothing_to_the_collector(monkeypatch):
    monkeypatch.setattr(http_departure, "GRACE_S", 0.01)
    request = Request()
    left = weakref.ref(request)
    gc.disable()
    try:
        departure = Departure(request.receive, 5)
        await asyncio.sleep(0.05)
        departure.close()
        del departure, request
        await until(lambda: left() is None)
    finally:
        gc.enable()
