"""Pools on the real PostgreSQL."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from metaqore_mesh.database.pool import open_pool


@pytest.fixture
async def pool(database_url):
    async with open_pool(database_url, name="test", size=10) as pool:
        yield pool


class Link:
    """A TCP link to the test's database that can stop passing anything on, without a word to either side."""

    def __init__(self, socket):
        self._socket = socket
        self._tasks = []
        self.open = asyncio.Event()
        self.open.set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.append(asyncio.create_task(self._pass(source, target)))

    async def _pass(self, source, target):
        try:
            while data := await source.read(65536):
                await self.open.wait()
                target.write(data)
        finally:
            target.close()


@pytest.fixture
async def link(database_url):
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    async with Link(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}") as link:
        user = parts.netloc.rpartition("@")[0]
        link.url = f"postgresql://{user}@127.0.0.1:{link.port}{parts.path}"
        yield link
