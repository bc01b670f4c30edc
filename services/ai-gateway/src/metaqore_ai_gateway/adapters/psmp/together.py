"""Several writes as one statement: they share a trip to the server, which costs either side more than a small write."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import asyncpg

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_PARAMETER: Final = re.compile(r"\$(\d+)")


class Together:
    """Writes that do not see each other: each acts on the tables as they were before all of them.

    The first gives the row that `run` returns, and the others may name its columns; where it writes nothing they must
    be undone with it.
    """

    def __init__(self, *shared: Any) -> None:
        self._shared = len(shared)
        self._arguments = list(shared)
        self._parts: list[tuple[str, str, int]] = []

    def add(self, name: str, statement: str, *arguments: Any) -> None:
        """Add a write under a name. Its parameters begin with the shared ones, its own `arguments` follow."""
        self._parts.append((name, statement, len(self._arguments) - self._shared))
        self._arguments += arguments

    async def run(self, connection: Connection) -> asyncpg.Record | None:
        """Write everything."""
        return await connection.fetchrow(_joined(tuple(self._parts), self._shared), *self._arguments)


@lru_cache(maxsize=64)
def _joined(parts: tuple[tuple[str, str, int], ...], shared: int) -> str:
    def moved(statement: str, by: int) -> str:
        return _PARAMETER.sub(lambda match: f"${int(match[1]) + (by if int(match[1]) > shared else 0)}", statement)

    written = ",\n".join(f"{name} as ({moved(statement, by).strip()})" for name, statement, by in parts)
    return f"with {written}\nselect * from {parts[0][0]}"
