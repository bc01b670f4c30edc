"""When somebody last let a webhook be sent to again: what waited before does not disable it anew."""

from __future__ import annotations

from alembic import op

from metaqore_ai_gateway.migrations.walls import run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REPLAYED = """
alter table psmp_webhooks add column replayed_us bigint not null default 0;

comment on column psmp_webhooks.replayed_us is 'When it was last replayed, or 0; what waits since then may disable it'
"""


def upgrade() -> None:
    """Add the column; for the webhooks of before everything that waits counts."""
    run((REPLAYED,))


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table psmp_webhooks drop column replayed_us")
