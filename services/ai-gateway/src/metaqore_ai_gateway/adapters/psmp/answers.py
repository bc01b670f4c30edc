"""What commands were answered, in PostgreSQL: the port `Answers`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import asyncpg

from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectTransaction
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.answers import KeptAnswer
from metaqore_ai_gateway.service.psmp.asked import Repeatable


@dataclass(frozen=True, slots=True)
class PostgresAnswers:
    """The port `Answers` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def find(self, organization: str, project: str, key: str) -> KeptAnswer | None:
        """The answer that the command with this key got, with the states of then."""
        async with of_organization(self.pool, organization) as connection:
            reads = PostgresProjectTransaction(connection, organization, project, 0)
            found = (await reads.answers([Repeatable(key, b"")])).get(key)
            if found is None:
                return None
            if found.refusal is not None:
                return KeptAnswer(found.digest, found.receipt_token, found.refusal)
            outcome = replace(await reads.outcome(found), receipt_token=found.receipt_token)
        return KeptAnswer(found.digest, found.receipt_token, outcome)
