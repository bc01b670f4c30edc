"""Organizations, API keys, idempotency keys, task claims, the task projection."""

from __future__ import annotations

from collections.abc import Iterator

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ORGANIZATIONS_AND_KEYS = """
create table organizations (
    id text primary key,
    name text not null unique,
    created_at timestamptz not null default now()
);

create table api_keys (
    id text primary key,
    organization text not null references organizations,
    caller text not null,
    scopes text[] not null,
    digest bytea not null unique check (octet_length(digest) = 32),
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

comment on column api_keys.digest is 'SHA-256 of the key; the key itself is kept nowhere';

create index api_keys_of_organization on api_keys (organization, id);

create table api_key_changes (
    only_row boolean primary key default true check (only_row),
    version bigint not null
);

comment on table api_key_changes is 'Counts the changes of api_keys, for readers that missed a notification';

insert into api_key_changes (version) values (0);

create function announce_api_key_change() returns trigger language plpgsql as $$
begin
    update api_key_changes set version = version + 1;
    perform pg_notify('api_keys', '');
    return null;
end $$;

create trigger announce_api_key_change after insert or update or delete on api_keys
    for each statement execute function announce_api_key_change();
"""

IDEMPOTENCY = """
create table idempotency_keys (
    organization text not null,
    key text not null,
    digest bytea not null,
    writer text not null,
    created_at timestamptz not null default now(),
    status smallint,
    headers jsonb,
    body bytea,
    primary key (organization, key)
);

comment on column idempotency_keys.status is 'Null while the first request is in flight';

create index idempotency_keys_in_flight on idempotency_keys (writer) where status is null;

create index idempotency_keys_by_age on idempotency_keys (created_at);
"""

CLAIMS = """
create table task_claims (
    organization text not null,
    source text not null,
    event_id text not null,
    task text not null unique,
    writer text not null,
    caller_id text not null,
    caller_name text not null,
    reply_key bytea not null,
    state text not null default 'claimed' check (state in ('claimed', 'concluded', 'done')),
    attempts integer not null default 1,
    body bytea,
    result bytea,
    outcome bytea,
    claimed_at timestamptz not null default now(),
    done_at timestamptz,
    primary key (organization, source, event_id),
    check (state <> 'claimed' or body is not null),
    check (state = 'claimed' or body is null),
    check (state <> 'concluded' or result is not null)
);

comment on column task_claims.writer is 'The spool writer that owns the claim, and alone resumes it';

comment on column task_claims.body is 'The task as it came; deleted when its result is stored';

create index task_claims_unfinished on task_claims (writer) where state <> 'done';

create index task_claims_done_by_age on task_claims (done_at) where state = 'done';
"""

TASKS = """
create table tasks (
    id text primary key,
    organization text not null,
    project text,
    state text not null,
    door text not null,
    caller text not null,
    model text not null,
    provider text,
    sensitivity text not null,
    sensitivity_sources jsonb not null,
    verdict text not null,
    reasons jsonb not null,
    policy text not null,
    policy_version text not null,
    receipt text not null,
    error text,
    prompt_tokens bigint,
    completion_tokens bigint,
    duration_us bigint,
    attempts integer not null default 0,
    created_us bigint not null,
    ended_us bigint
);

comment on table tasks is 'A projection of the audit records: it can be dropped and folded again';

create index tasks_newest_first on tasks (organization, id desc);

create index tasks_by_state on tasks (organization, state, id desc);

create table spool_positions (
    writer text not null,
    holder text not null,
    sequence bigint not null,
    primary key (writer, holder)
);

comment on table spool_positions is 'How far each follower of a spool has handled its records';
"""


def statements() -> Iterator[str]:
    """Every statement by itself, as the driver takes them; they stand apart by an empty line."""
    for text in (ORGANIZATIONS_AND_KEYS, IDEMPOTENCY, CLAIMS, TASKS):
        yield from text.split(";\n\n")


def upgrade() -> None:
    """Make every table."""
    for statement in statements():
        op.execute(statement)


def downgrade() -> None:
    """Drop every table."""
    for table in ("spool_positions", "tasks", "task_claims", "idempotency_keys", "api_key_changes"):
        op.execute(f"drop table {table}")
    op.execute("drop table api_keys, organizations")
    op.execute("drop function announce_api_key_change")
