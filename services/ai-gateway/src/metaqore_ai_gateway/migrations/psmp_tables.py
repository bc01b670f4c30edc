"""The tables of migration 0003: what changes later is a migration of its own. An empty line ends a statement."""

from __future__ import annotations

PROJECTS_AND_EVENTS = """
create table psmp_projects (
    organization text collate "C" not null,
    project text collate "C" not null,
    name text not null,
    version bigint not null,
    recorded_us bigint not null,
    transaction_id xid8 not null default pg_current_xact_id(),
    primary key (organization, project),
    unique (organization, name)
);

comment on column psmp_projects.version is 'Counts its events without a gap; whoever locks the row writes';

create table psmp_events (
    organization text collate "C" not null,
    project text collate "C" not null,
    version bigint not null,
    kind text collate "C" not null check (kind in ('artifact', 'project', 'task')),
    aggregate text collate "C" not null,
    aggregate_version bigint not null,
    type text collate "C" not null,
    schema integer not null,
    body bytea not null,
    recorded_us bigint not null,
    command text collate "C" not null,
    position bigint generated always as identity,
    transaction_id xid8 not null default pg_current_xact_id(),
    primary key (organization, project, version),
    unique (organization, project, kind, aggregate, aggregate_version)
);

comment on column psmp_events.body is 'RFC 8785';

comment on column psmp_events.recorded_us is 'Microseconds since the Unix epoch; never falls within a project';

comment on column psmp_events.command is 'The id of the submission that caused it';

create index psmp_events_by_time on psmp_events (organization, project, recorded_us, version);

create index psmp_events_to_relay on psmp_events (transaction_id, position);

create function announce_psmp_events() returns trigger language plpgsql as $$
begin
    perform pg_notify('psmp_events', '');
    return null;
end $$;

create trigger announce_psmp_events after insert on psmp_events
    for each statement execute function announce_psmp_events();
"""

STATES = """
create table psmp_aggregates (
    organization text collate "C" not null,
    project text collate "C" not null,
    kind text collate "C" not null,
    aggregate text collate "C" not null,
    id text collate "C" not null,
    version bigint not null,
    born bigint not null,
    changed bigint not null,
    is_open boolean not null,
    standing text collate "C",
    lease_until_us bigint,
    offered_us bigint[] not null,
    state bytea not null,
    primary key (organization, project, kind, aggregate)
);

comment on table psmp_aggregates is 'A projection of psmp_events: the state of each aggregate now';

comment on column psmp_aggregates.born is 'The version of the project at its first event';

comment on column psmp_aggregates.id is 'Names it in its organization';

comment on column psmp_aggregates.changed is 'The version of the project at its last event';

comment on column psmp_aggregates.standing is 'The state of a project or a task; null for an artifact';

comment on column psmp_aggregates.lease_until_us is 'When the lease on a task that is held ends';

comment on column psmp_aggregates.offered_us is 'When each version of an artifact was proposed; 0 where it was not';

create index psmp_aggregates_by_name on psmp_aggregates (organization, project, kind, aggregate) include (born);

create unique index psmp_aggregates_by_id on psmp_aggregates (organization, id, kind);

create index psmp_tasks_by_standing on psmp_aggregates (organization, project, standing, aggregate)
    where kind = 'task';

create index psmp_leases_to_end on psmp_aggregates (lease_until_us) where lease_until_us is not null;

create index psmp_aggregates_open on psmp_aggregates (organization, project, kind, aggregate) where is_open;

create table psmp_versions (
    organization text collate "C" not null,
    project text collate "C" not null,
    artifact text collate "C" not null,
    number integer not null,
    phase text collate "C" not null,
    since_us bigint not null,
    expires_us bigint,
    primary key (organization, project, artifact, number)
);

comment on table psmp_versions is 'A projection of psmp_events: where each version of an artifact stands';

create unique index psmp_one_active on psmp_versions (organization, project, artifact) where phase = 'active';

create index psmp_versions_by_phase on psmp_versions (organization, project, phase, artifact);

create index psmp_versions_to_lapse on psmp_versions (expires_us)
    where phase in ('proposed', 'blocked') and expires_us is not null;

create table psmp_snapshots (
    organization text collate "C" not null,
    project text collate "C" not null,
    kind text collate "C" not null,
    aggregate text collate "C" not null,
    project_version bigint not null,
    aggregate_version bigint not null,
    state bytea not null,
    primary key (organization, project, kind, aggregate, project_version)
);

comment on table psmp_snapshots is 'States of the past, so that a long history is not folded from its beginning';
"""

CONFLICTS = """
create table psmp_conflict_entries (
    organization text collate "C" not null,
    project text collate "C" not null,
    kind text collate "C" not null,
    environment text collate "C" not null,
    name_digest bytea not null check (octet_length(name_digest) = 16),
    form bytea not null check (octet_length(form) = 16),
    party text collate "C" not null,
    number integer not null,
    entries bytea not null,
    primary key (organization, project, kind, environment, name_digest, form, party, number)
);

comment on table psmp_conflict_entries is 'What stands, under the keys where others can clash with it';

comment on column psmp_conflict_entries.name_digest is 'Of the key''s name, which may be longer than an index takes';

comment on column psmp_conflict_entries.form is 'Of what is declared, without by whom: the same is judged once';

create table psmp_open_conflicts (
    organization text collate "C" not null,
    project text collate "C" not null,
    conflict text collate "C" not null,
    artifact text collate "C" not null,
    number integer not null,
    type text collate "C" not null,
    severity text collate "C" not null,
    since_us bigint not null,
    since_version bigint not null,
    body bytea not null,
    primary key (organization, conflict, project, artifact, number)
);

comment on table psmp_open_conflicts is 'A projection of psmp_events: the conflicts that proposals stand in';

create index psmp_open_conflicts_of_artifact on psmp_open_conflicts (organization, project, artifact, number);

create index psmp_open_conflicts_by_age on psmp_open_conflicts
    (organization, project, since_us, conflict, artifact, number);

create index psmp_open_conflicts_of_all_by_age on psmp_open_conflicts
    (organization, (since_us + 0), project, conflict, artifact, number);

create table psmp_past_conflicts (
    organization text collate "C" not null,
    project text collate "C" not null,
    conflict text collate "C" not null,
    artifact text collate "C" not null,
    number integer not null,
    type text collate "C" not null,
    severity text collate "C" not null,
    since_us bigint not null,
    since_version bigint not null,
    ended_us bigint not null,
    ended_version bigint not null,
    body bytea not null,
    primary key (organization, conflict, project, artifact, number, since_version)
);

comment on table psmp_past_conflicts is 'A projection of psmp_events: the conflicts that proposals stood in';

create index psmp_past_conflicts_of_artifact on psmp_past_conflicts (organization, project, artifact, number);

create index psmp_past_conflicts_by_age on psmp_past_conflicts
    (organization, project, since_us, conflict, artifact, number);

create index psmp_past_conflicts_of_all_by_age on psmp_past_conflicts
    (organization, (since_us + 0), project, conflict, artifact, number);

create table psmp_conflict_parties (
    organization text collate "C" not null,
    project text collate "C" not null,
    party text collate "C" not null,
    artifact text collate "C" not null,
    number integer not null,
    primary key (organization, project, party, artifact, number)
);

comment on table psmp_conflict_parties is 'Whom each stopped version clashes with: it is judged again when they go';

create index psmp_conflict_parties_of_artifact on psmp_conflict_parties (organization, project, artifact, number);
"""

PROVENANCE_AND_BODIES = """
create table psmp_provenance (
    organization text collate "C" not null,
    project text collate "C" not null,
    made text collate "C" not null,
    number integer not null,
    source text collate "C" not null,
    source_number integer not null,
    relation text collate "C" not null check (relation in ('input', 'parent')),
    primary key (organization, made, number, source, source_number, relation)
);

comment on table psmp_provenance is 'A projection of psmp_events: which version was made from which';

comment on column psmp_provenance.made is 'The id of an artifact, as source is; the project is that of what was made';

create index psmp_provenance_by_source on psmp_provenance (organization, source, source_number, made, number);

create table psmp_bodies (
    organization text collate "C" not null,
    digest text collate "C" not null,
    key_id text collate "C" not null,
    size_bytes bigint not null,
    name text collate "C" not null,
    wrapped_key bytea,
    is_used boolean not null default false,
    kept_at timestamptz not null default now(),
    erased_at timestamptz,
    erased_name text collate "C",
    primary key (organization, digest)
);

comment on table psmp_bodies is 'Texts of versions: where each is in the object store, and the key that opens it';

comment on column psmp_bodies.digest is 'The keyed commitment to the text, under the key key_id';

comment on column psmp_bodies.name is 'The name of the object; a text that comes again after its erasure has another';

comment on column psmp_bodies.wrapped_key is 'Null once the text is erased: nobody can read it then';

comment on column psmp_bodies.erased_name is 'The object that was erased last: it comes back for nobody';

comment on column psmp_bodies.is_used is 'Whether a version names it; what none names is forgotten after a day';

create index psmp_bodies_by_name on psmp_bodies (organization, name);

create index psmp_bodies_unused on psmp_bodies (kept_at) where not is_used;
"""

COMMANDS_AND_CHECKPOINTS = """
create table psmp_commands (
    organization text collate "C" not null,
    project text collate "C" not null,
    key bytea not null check (octet_length(key) = 32),
    digest bytea not null,
    first_version bigint not null,
    last_version bigint not null,
    refusal bytea,
    receipt text not null,
    created_at timestamptz not null default now(),
    primary key (organization, project, key)
);

comment on table psmp_commands is 'Idempotency: what a submission led to, so that its repeat is answered the same';

comment on column psmp_commands.key is 'SHA-256 of the key; the key itself is kept nowhere';

comment on column psmp_commands.receipt is 'The signed receipt of the first answer; empty where there was none';

create index psmp_commands_by_age on psmp_commands (created_at);

create table psmp_checkpoints (
    organization text collate "C" not null,
    project text collate "C" not null,
    name text collate "C" not null,
    id text collate "C" not null,
    version bigint not null,
    made_by text not null,
    made_us bigint not null,
    description text not null,
    state_digest text not null,
    primary key (organization, project, name),
    unique (organization, id)
);

comment on column psmp_checkpoints.state_digest is 'SHA-256, in hex, of the state of then in the form of RFC 8785';

create index psmp_checkpoints_by_version on psmp_checkpoints (organization, project, version, name);

create table psmp_relay_positions (
    consumer text collate "C" primary key,
    transaction_id xid8 not null,
    position bigint not null
);

comment on table psmp_relay_positions is 'Up to which event each consumer has been given them';
"""
