"""What people call the projects of PSMP, in PostgreSQL: the port `ProjectNames`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization

_NAME: Final = "select name from psmp_projects where organization = $1 and project = $2"
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REMEMBERED: Final = 16_384


@dataclass(frozen=True, slots=True)
class PostgresProjectNames:
    """The port `ProjectNames` on PostgreSQL. What has not the form of an id is not looked for."""

    pool: asyncpg.Pool[asyncpg.Record]
    _found: dict[tuple[str, str], str] = field(default_factory=dict)

    async def name_of(self, organization: str, project: str) -> str | None:
        """Its name. Once found it is remembered. Raises `database_unavailable`."""
        asked = (organization, project)
        if asked in self._found:
            return self._found[asked]
        if not _ID.fullmatch(project):
            return None
        async with of_organization(self.pool, organization) as connection:
            name: str | None = await connection.fetchval(_NAME, organization, project)
        if name is not None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[asked] = name
        return name
