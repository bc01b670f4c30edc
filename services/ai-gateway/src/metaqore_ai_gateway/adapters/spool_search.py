"""Finding tasks among the groups that the spool still holds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Final, Protocol

from metaqore_mesh.spool.errors import SpoolTrimmed
from metaqore_mesh.spool.groups import StoredGroup

_TASK: Final = re.compile(rb'"task":"([0-9a-f-]{36})"')


class GroupReader(Protocol):
    """One reader's place in the spool."""

    position: int

    async def next_groups(self) -> list[StoredGroup]:
        """The next durable groups, one at least; waits for the first."""
        ...


class SearchedSpool(Protocol):
    """What a search needs of the spool."""

    @property
    def first_sequence(self) -> int:
        """The oldest record that can be read."""
        ...

    @property
    def durable_through(self) -> int:
        """The last durable record."""
        ...

    def reader(self, from_sequence: int) -> GroupReader:
        """A place to read from."""
        ...


class SpoolSearch:
    """Looks tasks up by reading the spool once for all that are asked for at the time."""

    def __init__(self, spool: SearchedSpool) -> None:
        self._spool = spool
        self._asked: dict[bytes, asyncio.Future[list[bytes]]] = {}
        self._searching: asyncio.Task[None] | None = None

    async def groups_of(self, task: str) -> list[bytes]:
        """The values of the groups that hold records of `task`, oldest first."""
        key = task.encode()
        found = self._asked.get(key)
        if found is None:
            found = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._searching is None:
            self._searching = asyncio.create_task(self._search_all())
        return await asyncio.shield(found)

    async def _search_all(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(0)  # those that start together ask together
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._searching = None

    async def _answer(self, asked: dict[bytes, asyncio.Future[list[bytes]]]) -> None:
        try:
            found = await self._search(asked)
        except Exception as error:  # noqa: BLE001  it reaches whoever asked
            for answer in asked.values():
                if not answer.done():
                    answer.set_exception(error)
            return
        for task, answer in asked.items():
            if not answer.done():
                answer.set_result(found.get(task, []))

    async def _search(self, tasks: Iterable[bytes]) -> dict[bytes, list[bytes]]:
        wanted = frozenset(tasks)
        while True:
            try:
                return await self._read(wanted)
            except SpoolTrimmed:  # its beginning was sealed and removed meanwhile: what is left begins later
                continue

    async def _read(self, wanted: frozenset[bytes]) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        through = self._spool.durable_through
        reader = self._spool.reader(self._spool.first_sequence)
        while reader.position <= through:
            for group in await reader.next_groups():
                for task in wanted.intersection(_TASK.findall(group.value)):
                    found.setdefault(task, []).append(group.value)
        return found
