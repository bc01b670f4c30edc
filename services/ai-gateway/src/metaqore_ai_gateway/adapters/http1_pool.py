"""Connections to one HTTP/1.1 origin, kept open between exchanges."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final
from urllib.parse import SplitResult

from metaqore_ai_gateway.adapters.http1_connection import Http1Connection

MAX_IDLE_CONNECTIONS: Final = 1024
"""What a burst of tasks from Kafka opens fits. What does not, the next burst opens again: with half as many that was a
sixth of what such a task costs.
"""

MAX_IDLE_S: Final = 15.0
"""Shorter than servers keep an idle connection, so that they seldom close it under a request."""

END_WITHIN_S: Final = 0.5
"""How long a stream that said its last word has for the end of its message."""


class Http1Pool:
    """The last connection given back is the first to be used again, so that those a burst has left grow old and go.

    How many are open at once, its users bound.
    """

    def __init__(self, origin: SplitResult) -> None:
        if origin.scheme not in {"http", "https"} or not origin.hostname:
            raise ValueError("A provider's base_url begins with http:// or https:// and names a host.")
        self._host = origin.hostname
        self._port = origin.port or (443 if origin.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if origin.scheme == "https" else None
        self._idle: deque[Http1Connection] = deque()  # in the order in which they were given back

    def idle(self) -> Http1Connection | None:
        """An idle connection, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle and connection.idle_since > connection.now() - MAX_IDLE_S:
                connection.reused = True
                return connection
            connection.abort()
        return None

    async def connect(self, timeout_s: float) -> Http1Connection:
        """A new connection. Raises `OSError` or `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            _, made = await asyncio.get_running_loop().create_connection(
                Http1Connection, self._host, self._port, ssl=self._tls
            )
        return made

    def give_back(self, connection: Http1Connection) -> None:
        """Keep the connection for another exchange, or close it where that is not possible."""
        if connection.reusable and len(self._idle) < MAX_IDLE_CONNECTIONS:
            now = connection.now()
            while self._idle and self._idle[0].idle_since <= now - MAX_IDLE_S:
                self._idle.popleft().abort()
            connection.idle_since = now
            self._idle.append(connection)
        elif connection.ending:
            connection.end_within(END_WITHIN_S, self.give_back)
        else:
            connection.abort()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().abort()
