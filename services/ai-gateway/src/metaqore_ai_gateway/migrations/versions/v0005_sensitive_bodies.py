"""How sensitive each body of PSMP was found to be, for versions that only name it."""

from __future__ import annotations

from alembic import op

from metaqore_ai_gateway.migrations.walls import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SENSITIVITY = """
alter table psmp_bodies add column sensitivity smallint not null default 1 check (sensitivity between 0 and 3);

comment on column psmp_bodies.sensitivity is 'The highest it was kept with, from 0 (public) to 3 (critical)';
"""


def upgrade() -> None:
    """Add the column; bodies of before count as internal, which every version is that says nothing else."""
    run((SENSITIVITY,))


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table psmp_bodies drop column sensitivity")
