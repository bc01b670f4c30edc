"""The projected tasks in PostgreSQL, read."""

from __future__ import annotations

import json
from dataclasses import dataclass

import asyncpg

from metaqore_ai_gateway.domain.task_view import Page, TaskView
from metaqore_governance_core.task import TaskState
from metaqore_mesh.database.errors import database_errors

_GET = "select * from tasks where organization = $1 and id = $2"
_PAGE = """
select * from tasks where organization = $1 and ($2::text is null or id < $2) order by id desc limit $3
"""
_PAGE_IN_STATE = """
select * from tasks where organization = $1 and state = $4 and ($2::text is null or id < $2) order by id desc limit $3
"""


@dataclass(frozen=True, slots=True)
class PostgresTaskStore:
    """The port `TaskStore` on PostgreSQL. Task ids are UUIDv7, so their order is that of time."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def get(self, organization: str, task: str) -> TaskView | None:
        """A task of the organization, or None."""
        with database_errors():
            row = await self.pool.fetchrow(_GET, organization, task)
        return _view(row) if row else None

    async def page(self, organization: str, page: Page) -> list[TaskView]:
        """Tasks of the organization, newest first."""
        given = (organization, page.before, page.size)
        with database_errors():
            if page.state is None:
                rows = await self.pool.fetch(_PAGE, *given)
            else:
                rows = await self.pool.fetch(_PAGE_IN_STATE, *given, page.state.value)
        return [_view(row) for row in rows]


def _view(row: asyncpg.Record) -> TaskView:
    fields = dict(row)
    for name in ("sensitivity_sources", "reasons"):
        fields[name] = tuple(json.loads(fields[name]))
    return TaskView(**{**fields, "state": TaskState(fields["state"])})
