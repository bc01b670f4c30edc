"""Folding audit records into the table of tasks: one statement for many groups."""

from __future__ import annotations

from typing import Final

from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, SPEC_VERSION
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted

EVENT_SOURCE: Final = "/metaqore/ai-gateway/tasks"

_HEADER_NAMES: Final = "array['content-type', 'ce_specversion', 'ce_type', 'ce_source', 'ce_id', 'ce_subject']"


def _header_values(ce_type: str, event: str) -> str:
    fixed = ", ".join(f"convert_to('{text}', 'UTF8')" for text in (CONTENT_TYPE, SPEC_VERSION, ce_type, EVENT_SOURCE))
    return f"array[{fixed}, convert_to(task || '/{event}', 'UTF8'), convert_to(task, 'UTF8')]"


# $1 the writer, $2 the last sequence in the groups, $3 the groups' values.
# A record at or below the position is folded already. A decision and its outcome may come in one statement, whose
# parts do not see each other's rows: so the two are joined before anything is written.
FOLD: Final = f"""
with place as (
    select coalesce((select sequence from task_projection where writer = $1), 0) as sequence
), record as (
    select r from unnest($3::text[]) as g, jsonb_array_elements(g::jsonb -> 'records') as r, place
    where (r ->> 'sequence')::bigint > place.sequence
), decision as (
    select d.* from record, jsonb_to_record(r) as d (
        kind text, sequence bigint, task text, organization text, project text, door text, caller text, model text,
        sensitivity text, sensitivity_sources jsonb, verdict text, reasons jsonb, policy text, policy_version text,
        receipt text, time_us bigint
    ) where d.kind = 'decision'
), outcome as (
    select o.* from record, jsonb_to_record(r) as o (
        kind text, sequence bigint, task text, organization text, state text, attempts integer, model text,
        provider text, error text, prompt_tokens bigint, completion_tokens bigint, duration_us bigint, receipt text,
        time_us bigint
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
    returning id
), ended as (
    update tasks as t set
        state = o.state, attempts = o.attempts, provider = o.provider, error = o.error,
        prompt_tokens = o.prompt_tokens, completion_tokens = o.completion_tokens, duration_us = o.duration_us,
        ended_us = o.time_us
    from outcome as o
    where t.id = o.task and t.state = 'running'
    returning t.id
), event as (
    select sequence, task, organization, {_HEADER_NAMES} as names, {_header_values(TaskStarted.ce_type, "started")}
        as values, jsonb_build_object(
            'task', task, 'organization', organization, 'project', project, 'door', door, 'model', model,
            'verdict', verdict, 'reasons', reasons, 'sensitivity', sensitivity, 'policy', policy,
            'policy_version', policy_version, 'receipt', receipt, 'time_us', time_us
        ) as value
    from decision
    union all
    select sequence, task, organization, {_HEADER_NAMES}, {_header_values(TaskFinished.ce_type, "finished")},
        jsonb_build_object(
            'task', task, 'organization', organization, 'state', state, 'error', error, 'attempts', attempts,
            'model', model, 'provider', provider, 'prompt_tokens', prompt_tokens,
            'completion_tokens', completion_tokens, 'duration_us', duration_us, 'receipt', receipt, 'time_us', time_us
        )
    from outcome
), told as (
    insert into outbox (topic, key, value, header_names, header_values)
    select '{TaskStarted.topic}', convert_to(task, 'UTF8'), convert_to(value::text, 'UTF8'), names, values
    from event order by sequence
)
insert into task_projection (writer, sequence) values ($1, $2)
on conflict (writer) do update set sequence = greatest(task_projection.sequence, excluded.sequence)
"""  # noqa: S608  constants only
