"""PSMP: the events of every project, and what is derived from them, each organization behind a wall."""

from __future__ import annotations

from alembic import op

from metaqore_ai_gateway.migrations import psmp_roles, psmp_tables
from metaqore_ai_gateway.migrations.walls import run, walls

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    "psmp_projects",
    "psmp_events",
    "psmp_aggregates",
    "psmp_versions",
    "psmp_snapshots",
    "psmp_conflict_entries",
    "psmp_open_conflicts",
    "psmp_past_conflicts",
    "psmp_conflict_parties",
    "psmp_provenance",
    "psmp_bodies",
    "psmp_commands",
    "psmp_checkpoints",
)

RELAY_WALL = """
alter table psmp_relay_positions enable row level security;

alter table psmp_relay_positions force row level security;
"""


def upgrade() -> None:
    """Make every table, its wall, and the roles where this role may.

    Where it may not, the tables stand and nobody works on them yet: the service says at its start what to run.
    """
    run(
        (
            psmp_tables.PROJECTS_AND_EVENTS,
            psmp_tables.STATES,
            psmp_tables.CONFLICTS,
            psmp_tables.PROVENANCE_AND_BODIES,
            psmp_tables.COMMANDS_AND_CHECKPOINTS,
            *walls(TABLES),
            RELAY_WALL,
            psmp_roles.ROLES,
            psmp_roles.PREPARE,
        )
    )


def downgrade() -> None:
    """Drop every table. The roles stay: they may be an administrator's."""
    op.execute(f"drop table {', '.join(TABLES)}, psmp_relay_positions")
    op.execute("drop function announce_psmp_events")
    op.execute("drop procedure psmp_prepare_roles")
