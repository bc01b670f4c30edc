"""What a claim keeps of its task is no longer the task as it came."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BEFORE = "The task as it came; deleted when its result is stored"
_NOW = (
    "What is kept of the task, in JSON: no text where it holds a credential or could not be scanned; "
    "deleted when its result is stored"
)


def upgrade() -> None:
    """Say so."""
    op.execute(f"comment on column task_claims.body is '{_NOW}'")


def downgrade() -> None:
    """Say what was."""
    op.execute(f"comment on column task_claims.body is '{_BEFORE}'")
