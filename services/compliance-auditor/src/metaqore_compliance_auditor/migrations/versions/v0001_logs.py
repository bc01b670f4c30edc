"""The logs: entries, tiles, signed checkpoints, heads, writers' progress and faults, each under its organization."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text compares by byte ("C"), which is faster and the same on every server.
_TABLES = (
    """
    CREATE TABLE logs (
        organization text COLLATE "C" PRIMARY KEY,
        size bigint NOT NULL CHECK (size > 0),
        root bytea NOT NULL CHECK (length(root) = 32),
        published_size bigint NOT NULL DEFAULT 0 CHECK (published_size <= size)
    )
    """,
    """
    CREATE TABLE checkpoints (
        organization text COLLATE "C" NOT NULL,
        size bigint NOT NULL CHECK (size > 0),
        root bytea NOT NULL CHECK (length(root) = 32),
        note text NOT NULL,
        sealed_at_us bigint NOT NULL,
        PRIMARY KEY (organization, size)
    )
    """,
    """
    CREATE TABLE entries (
        organization text COLLATE "C" NOT NULL,
        leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
        leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
        record bytea NOT NULL,
        kind text COLLATE "C" NOT NULL,
        task uuid NOT NULL,
        receipt uuid NOT NULL,
        writer text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        organization_sequence bigint NOT NULL CHECK (organization_sequence > 0),
        group_first bigint NOT NULL,
        group_count integer NOT NULL,
        group_path bytea NOT NULL,
        PRIMARY KEY (organization, leaf_index)
    )
    """,
    # A record is appended once, whoever seals: a second sealer that slips by the lock fails here.
    "CREATE UNIQUE INDEX entries_writer_sequence ON entries (writer, sequence)",
    "CREATE INDEX entries_task ON entries (organization, task)",
    "CREATE INDEX entries_receipt ON entries (organization, receipt)",
    # The writer's signature over a group commit. `entries.group_path` leads from a record to its root.
    """
    CREATE TABLE attestations (
        organization text COLLATE "C" NOT NULL,
        writer text COLLATE "C" NOT NULL,
        first_sequence bigint NOT NULL,
        count integer NOT NULL,
        key_id text NOT NULL,
        root bytea NOT NULL CHECK (length(root) = 32),
        time_us bigint NOT NULL,
        signature bytea NOT NULL CHECK (length(signature) = 64),
        PRIMARY KEY (organization, writer, first_sequence, count)
    )
    """,
    # C2SP tlog-tiles: up to 256 hashes of 32 bytes; the last tile of a level is rewritten while it grows.
    """
    CREATE TABLE tiles (
        organization text COLLATE "C" NOT NULL,
        level smallint NOT NULL CHECK (level >= 0),
        tile_number bigint NOT NULL CHECK (tile_number >= 0),
        hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
        PRIMARY KEY (organization, level, tile_number)
    )
    """,
    "ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL",
    """
    CREATE TABLE writer_progress (
        organization text COLLATE "C" NOT NULL,
        writer text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        organization_sequence bigint NOT NULL,
        PRIMARY KEY (writer, organization)
    )
    """,
    """
    CREATE TABLE faults (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization text COLLATE "C" NOT NULL,
        code text NOT NULL,
        message text NOT NULL,
        leaf_index bigint,
        writer text COLLATE "C",
        sequence bigint,
        found_at_us bigint NOT NULL
    )
    """,
    """
    CREATE UNIQUE INDEX faults_once ON faults (organization, code, leaf_index, writer, sequence) NULLS NOT DISTINCT
    """,
)

# What is sealed is never changed by this service. The trigger makes an accident loud; who owns the database can
# drop it, which is what the signed checkpoints and `audit verify` are for.
_APPEND_ONLY = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
"""
_GUARDED = ("entries", "checkpoints", "attestations")


def statements() -> tuple[str, ...]:
    """The tables, and the guard over those that are append-only."""
    triggers = (
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        for table in _GUARDED
    )
    return *_TABLES, _APPEND_ONLY, *triggers


def upgrade() -> None:
    """Make the tables."""
    for statement in statements():
        op.execute(statement)
