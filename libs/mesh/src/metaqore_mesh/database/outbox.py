"""The outbox: messages that commit with the change they tell of, and are published after it.

    async with transaction(pool) as connection:
        ...  # the change
        await append(connection, Message(topic, key, value, headers))

The relay (`metaqore_mesh.database.relay`) publishes them in order and at least once. SQL that writes rows itself, as
a projection does, fills `topic, key, value, header_names, header_values`; the rest has defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

#: Where the relay listens (LISTEN/NOTIFY; channels are per database).
CHANNEL = "outbox"

#: For a migration step: `for statement in OUTBOX: op.execute(statement)`.
OUTBOX = (
    """
    CREATE TABLE outbox (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        topic text NOT NULL,
        key bytea,
        value bytea,
        header_names text[] NOT NULL DEFAULT '{}',
        header_values bytea[] NOT NULL DEFAULT '{}',
        CHECK (cardinality(header_names) = cardinality(header_values))
    )
    """,
    # Rows live for a moment; without this the dead ones at the head of the index would slow every look at it.
    "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)",
    f"""
    CREATE FUNCTION announce_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('{CHANNEL}', '');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER announce_outbox AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION announce_outbox()
    """,
)

_APPEND = """
    INSERT INTO outbox (topic, key, value, header_names, header_values) VALUES ($1, $2, $3, $4, $5)
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published. Messages of one topic and key keep the order of their `append`."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


async def append(connection: Connection, *messages: Message) -> None:
    """Put `messages` in the outbox, in the connection's transaction.

    The order of two transactions that touch one aggregate is that of their appends, so append while holding what
    keeps them apart (the aggregate's row lock), as the change itself must.
    """
    rows = [
        (
            message.topic,
            message.key,
            message.value,
            [name for name, _ in message.headers],
            [v for _, v in message.headers],
        )
        for message in messages
    ]
    await connection.executemany(_APPEND, rows)
