"""How far each partition of the audit topic was read when all of it was sealed."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def statements() -> tuple[str, ...]:
    """What changes: a new table, by no organization's, so that nobody's records lead to it."""
    return (
        """
        CREATE TABLE intake_places (
            topic text NOT NULL,
            partition integer NOT NULL,
            next_offset bigint NOT NULL,
            PRIMARY KEY (topic, partition)
        )
        """,
    )


def upgrade() -> None:
    """Make the table."""
    for statement in statements():
        op.execute(statement)
