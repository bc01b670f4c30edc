"""Webhooks of PSMP, and what was sent to each, behind the same walls as projects."""

from __future__ import annotations

from alembic import op

from metaqore_ai_gateway.migrations.walls import run, walls

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WEBHOOKS = """
create table psmp_webhooks (
    organization text collate "C" not null,
    id text collate "C" not null,
    url text not null,
    description text not null,
    projects text[] not null,
    aggregate text collate "C" not null check (aggregate in ('', 'artifact', 'project', 'task')),
    aggregate_id text collate "C" not null,
    names text[] not null,
    state text collate "C" not null default 'active' check (state in ('active', 'disabled')),
    reason text collate "C" not null default '',
    made_by text not null,
    made_us bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    secret bytea not null,
    primary key (organization, id)
);

comment on table psmp_webhooks is 'Where events are sent, and which; what is empty does not narrow it';

comment on column psmp_webhooks.secret is 'Signs what is sent; sealed under the organization''s key';

comment on column psmp_webhooks.reason is 'The code of what disabled it';

create table psmp_webhook_deliveries (
    organization text collate "C" not null,
    webhook text collate "C" not null,
    project text collate "C" not null,
    version bigint not null,
    id text collate "C" not null,
    name text collate "C" not null,
    state text collate "C" not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
    attempts integer not null default 0,
    log jsonb not null default '[]',
    due_us bigint not null,
    made_us bigint not null,
    ended_us bigint,
    primary key (organization, webhook, project, version),
    unique (organization, id),
    foreign key (organization, webhook) references psmp_webhooks on delete cascade
);

comment on table psmp_webhook_deliveries is 'An event for a webhook; the event itself stays in psmp_events';

comment on column psmp_webhook_deliveries.attempts is 'How often it was sent since it waits';

comment on column psmp_webhook_deliveries.log is 'The last attempts: when, how long, what came of it; no bodies';

comment on column psmp_webhook_deliveries.due_us is 'When it is sent next; ahead while somebody is sending it';

create index psmp_webhook_deliveries_due on psmp_webhook_deliveries (organization, webhook, due_us)
    where state = 'waiting';

create index psmp_webhook_deliveries_by_age on psmp_webhook_deliveries (organization, webhook, made_us desc, id desc);

create index psmp_webhook_deliveries_ended on psmp_webhook_deliveries (ended_us) where ended_us is not null;
"""

TABLES = ("psmp_webhooks", "psmp_webhook_deliveries")

ROLES = """
create procedure psmp_prepare_webhook_roles() language plpgsql as $$
declare
    app constant text := left(current_database(), 48) || '_psmp';
    relay constant text := left(current_database(), 48) || '_psmp_relay';
    entry record;
begin
    for entry in select * from (values
        (app, 'psmp_webhooks', 'select, insert, update, delete'),
        (app, 'psmp_webhook_deliveries', 'select, insert, update, delete'),
        (relay, 'psmp_webhooks', 'select, update (state, reason)'),
        (relay, 'psmp_webhook_deliveries', 'select, insert, update, delete')
    ) as granted (role, of_table, rights) loop
        execute format('grant %s on %I to %I', entry.rights, entry.of_table, entry.role);
    end loop;
    for entry in select * from (values
        ('relay_sees_all', 'psmp_webhooks', 'select', 'using (true)'),
        ('relay_disables', 'psmp_webhooks', 'update', 'using (true) with check (state = ''disabled'')'),
        ('relay_sends_all', 'psmp_webhook_deliveries', 'all', 'using (true) with check (true)')
    ) as granted (policy, of_table, verb, seen) loop
        if not exists (select from pg_policies where schemaname = current_schema()
                and tablename = entry.of_table and policyname = entry.policy) then
            execute format('create policy %I on %I for %s to %I %s',
                entry.policy, entry.of_table, entry.verb, relay, entry.seen);
        end if;
    end loop;
end $$;

comment on procedure psmp_prepare_webhook_roles is 'Gives the roles of psmp_prepare_roles their part in webhooks';
"""

PREPARE = """
do $$
begin
    call psmp_prepare_webhook_roles();
exception when undefined_object then
    raise warning 'The roles of PSMP are still to be made; the service says at its start what to run.';
end $$;
"""


def upgrade() -> None:
    """Make both tables with their walls, and let the roles work on them where they exist already."""
    run((WEBHOOKS, *walls(TABLES), ROLES, PREPARE))


def downgrade() -> None:
    """Drop both tables."""
    op.execute(f"drop table {', '.join(reversed(TABLES))}")
    op.execute("drop procedure psmp_prepare_webhook_roles")
