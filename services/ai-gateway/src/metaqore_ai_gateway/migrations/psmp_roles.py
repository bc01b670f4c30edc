"""Migration 0003: the two roles that PSMP works under, what makes them, and what each may see and do."""

from __future__ import annotations

ROLES = """
create procedure psmp_prepare_roles() language plpgsql as $$
declare
    app constant text := left(current_database(), 48) || '_psmp';
    relay constant text := left(current_database(), 48) || '_psmp_relay';
    todo text := '';
    role text;
    entry record;
begin
    foreach role in array array[app, relay] loop
        begin
            if not exists (select from pg_roles where rolname = role) then
                execute format('create role %I nologin', role);
            end if;
            if not pg_has_role(current_user, role, 'set') then
                execute format('grant %I to %I with inherit false, set true', role, current_user);
            end if;
        exception when insufficient_privilege then
            if not exists (select from pg_roles where rolname = role) then
                todo := todo || format('CREATE ROLE %I NOLOGIN; ', role);
            end if;
            todo := todo || format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE; ', role, current_user);
        end;
    end loop;
    if todo <> '' then
        raise insufficient_privilege using
            message = format('The role %I may not make the two roles that PSMP works under.', current_user),
            hint = todo;
    end if;
    foreach role in array array[app, relay] loop
        if exists (select from pg_roles where rolname = role and (rolsuper or rolbypassrls)) then
            raise insufficient_privilege using
                message = format('The role %I passes row-level security, which it must not.', role),
                hint = format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS; ', role);
        end if;
        if pg_has_role(current_user, role, 'usage')
            and not (select rolsuper from pg_roles where rolname = current_user) then
            raise insufficient_privilege using
                message = format('The role %I has the rights of %I without asking for them.', current_user, role),
                hint = format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE; ', role, current_user);
        end if;
    end loop;
    for entry in select * from (values
        ('psmp_projects', 'select, insert, update'),
        ('psmp_events', 'select, insert'),
        ('psmp_aggregates', 'select, insert, update'),
        ('psmp_versions', 'select, insert, update'),
        ('psmp_snapshots', 'select, insert'),
        ('psmp_conflict_entries', 'select, insert, delete'),
        ('psmp_open_conflicts', 'select, insert, update, delete'),
        ('psmp_past_conflicts', 'select, insert'),
        ('psmp_conflict_parties', 'select, insert, delete'),
        ('psmp_provenance', 'select, insert, delete'),
        ('psmp_bodies', 'select, insert, update'),
        ('psmp_commands', 'select, insert'),
        ('psmp_checkpoints', 'select, insert')
    ) as granted (of_table, rights) loop
        execute format('grant %s on %I to %I', entry.rights, entry.of_table, app);
    end loop;
    execute format('grant usage on schema %I to %I, %I', current_schema(), app, relay);
    execute format('grant select on psmp_events to %I', relay);
    execute format('grant select, insert, update on psmp_relay_positions to %I', relay);
    execute format('grant select (organization, project, kind, aggregate, lease_until_us) on psmp_aggregates to %I',
        relay);
    execute format('grant select (organization, project, artifact, number, phase, expires_us) on psmp_versions to %I',
        relay);
    execute format('grant select (organization, project, key, created_at), delete on psmp_commands to %I', relay);
    execute format('grant select (organization, digest, is_used, kept_at), delete on psmp_bodies to %I', relay);
    for entry in select * from (values
        ('relay_sees_all', 'psmp_events', 'select', 'true'),
        ('relay_sees_all', 'psmp_relay_positions', 'all', 'true'),
        ('relay_sees_leases', 'psmp_aggregates', 'select', 'lease_until_us is not null'),
        ('relay_sees_proposals', 'psmp_versions', 'select',
            'phase in (''proposed'', ''blocked'') and expires_us is not null'),
        ('relay_sees_old', 'psmp_commands', 'select', 'created_at < now() - interval ''24 hours'''),
        ('relay_forgets_old', 'psmp_commands', 'delete', 'created_at < now() - interval ''24 hours'''),
        ('relay_sees_unused', 'psmp_bodies', 'select', 'not is_used and kept_at < now() - interval ''24 hours'''),
        ('relay_forgets_unused', 'psmp_bodies', 'delete', 'not is_used and kept_at < now() - interval ''24 hours''')
    ) as granted (policy, of_table, verb, seen) loop
        if not exists (select from pg_policies where schemaname = current_schema()
                and tablename = entry.of_table and policyname = entry.policy) then
            execute format('create policy %I on %I for %s to %I using (%s)',
                entry.policy, entry.of_table, entry.verb, relay, entry.seen);
        end if;
    end loop;
end $$;

comment on procedure psmp_prepare_roles is 'Makes the roles that PSMP works under; the owner calls it';
"""

PREPARE = """
do $$
declare
    todo text;
begin
    call psmp_prepare_roles();
exception when insufficient_privilege then
    get stacked diagnostics todo = pg_exception_hint;
    raise warning '% Have an administrator run: %', sqlerrm, todo;
end $$;
"""
