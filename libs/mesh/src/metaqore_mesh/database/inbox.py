"""The inbox: each consumer handles an event once, because the claim commits with the effect.

    async with transaction(pool) as connection:
        if await claim(connection, "projection", event_id):
            ...  # the effect, on the same connection

A second delivery finds the claim and does nothing. If the first one's transaction still runs, the second waits for it
(at most the lock timeout): it finds the claim if that one commits, and gets it if that one rolls back.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from metaqore_mesh.database.pool import Connection

#: For a migration step: `for statement in INBOX: op.execute(statement)`.
INBOX = (
    """
    CREATE TABLE inbox (
        consumer text COLLATE "C" NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        claimed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, event_id)
    )
    """,
    "CREATE INDEX inbox_by_age ON inbox USING brin (claimed_at)",
)

# Sorted, so that two batches that share events wait for one another instead of blocking each other for ever.
_CLAIM = """
    INSERT INTO inbox (consumer, event_id)
    SELECT $1, event_id FROM unnest($2::text[]) AS event_id ORDER BY event_id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING event_id
"""
_FORGET = "DELETE FROM inbox WHERE consumer = $1 AND claimed_at < now() - $2::interval"


async def claim(connection: Connection, consumer: str, event_id: str) -> bool:
    """Whether `event_id` is new to `consumer`; it is not new again once the connection's transaction has committed.

    `event_id` must be unique among all that the consumer reads: for CloudEvents, source and id together.
    """
    return event_id in await claim_all(connection, consumer, (event_id,))


async def claim_all(connection: Connection, consumer: str, event_ids: Collection[str]) -> frozenset[str]:
    """Those of `event_ids` that are new to `consumer`, claimed in one statement."""
    rows = await connection.fetch(_CLAIM, consumer, list(set(event_ids)))
    return frozenset(row["event_id"] for row in rows)


async def forget(connection: Connection, consumer: str, older_than: timedelta) -> None:
    """Drop claims older than `older_than`, which must exceed the longest time after which an event may come again."""
    await connection.execute(_FORGET, consumer, older_than)
