"""Small texts of PSMP in their own rows, sealed as the objects of the others are."""

from __future__ import annotations

from alembic import op

from metaqore_ai_gateway.migrations.walls import run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What is sealed cannot be compressed, so PostgreSQL is not to try.
SEALED = """
alter table psmp_bodies add column sealed bytea;

alter table psmp_bodies alter column sealed set storage external;

comment on column psmp_bodies.sealed is 'The sealed text itself, where it is small: then it has no object';

comment on table psmp_bodies is 'Texts of versions: each here or in the object store, and the key that opens it'
"""
_SMALL_ONES = """
do $$ begin
    if exists (select from psmp_bodies where sealed is not null) then
        raise exception 'Some texts are in this column alone: going back would lose them.';
    end if;
end $$
"""


def upgrade() -> None:
    """Add the column; the texts of before stay where they are."""
    run((SEALED,))


def downgrade() -> None:
    """Drop the column. Refused where a text is in it, for it is nowhere else."""
    op.execute(_SMALL_ONES)
    op.execute("alter table psmp_bodies drop column sealed")
