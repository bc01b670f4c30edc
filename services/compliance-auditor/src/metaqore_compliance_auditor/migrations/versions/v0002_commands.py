"""Entries without a task: what is recorded of a command that is none."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def statements() -> tuple[str, ...]:
    """What changes; it reads and writes no row, however long the logs are."""
    return ("ALTER TABLE entries ALTER COLUMN task DROP NOT NULL",)


def upgrade() -> None:
    """Let an entry name no task."""
    for statement in statements():
        op.execute(statement)
