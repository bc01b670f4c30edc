"""Folding audit records into the table of tasks: one statement for many groups."""

from __future__ import annotations

from typing import Final

from metaqore_ai_gateway.adapters.spool_follower import SAVE_POSITION

# $1 the writer, $2 the holder, $3 the last sequence in the groups, $4 the groups' values.
# A record at or below the position is folded already. A decision and its outcome may come in one statement, whose
# parts do not see each other's rows: so the two are joined before anything is written.
FOLD: Final = f"""
with place as (
    select coalesce((select sequence from spool_positions where writer = $1 and holder = $2), 0) as sequence
), record as (
    select r from unnest($4::text[]) as g, jsonb_array_elements(g::jsonb -> 'records') as r, place
    where (r ->> 'sequence')::bigint > place.sequence
), decision as (
    select d.* from record, jsonb_to_record(r) as d (
        kind text, task text, organization text, project text, door text, caller text, model text, sensitivity text,
        sensitivity_sources jsonb, verdict text, reasons jsonb, policy text, policy_version text, receipt text,
        time_us bigint
    ) where d.kind = 'decision'
), outcome as (
    select o.* from record, jsonb_to_record(r) as o (
        kind text, task text, state text, attempts integer, provider text, error text, prompt_tokens bigint,
        completion_tokens bigint, duration_us bigint, time_us bigint
    ) where o.kind = 'outcome'
), begun as (
    insert into tasks (
        id, organization, project, door, caller, model, sensitivity, sensitivity_sources, verdict, reasons, policy,
        policy_version, receipt, created_us, state, attempts, provider, error, prompt_tokens, completion_tokens,
        duration_us, ended_us
    )
    select
        d.task, d.organization, d.project, d.door, d.caller, d.model, d.sensitivity, d.sensitivity_sources, d.verdict,
        d.reasons, d.policy, d.policy_version, d.receipt, d.time_us, coalesce(o.state, 'running'),
        coalesce(o.attempts, 0), o.provider, o.error, o.prompt_tokens, o.completion_tokens, o.duration_us, o.time_us
    from decision as d left join outcome as o using (task)
    on conflict (id) do nothing
), ended as (
    update tasks as t set
        state = o.state, attempts = o.attempts, provider = o.provider, error = o.error,
        prompt_tokens = o.prompt_tokens, completion_tokens = o.completion_tokens, duration_us = o.duration_us,
        ended_us = o.time_us
    from outcome as o
    where t.id = o.task and t.state = 'running'
)
{SAVE_POSITION}
"""  # noqa: S608  constants only
