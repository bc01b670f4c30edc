"""The events of a task's life, made from the records that a gateway wrote, keep their contract in every state."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from metaqore_ai_gateway.adapters.lifecycle_events import lifecycle_events
from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted
from metaqore_governance_core.task import TaskState

SCHEMAS = Path(__file__).parents[4] / "libs" / "governance-core" / "schemas"


async def leave(gateway, *, disk_refuses=False):
    """A client that leaves while its task runs."""
    gateway.provider.script = [asyncio.Event()]
    gateway.provider.called.clear()
    waiting = asyncio.create_task(gateway.chat())
    await gateway.provider.called.wait()
    gateway.disk.refuses = disk_refuses
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait_for(gateway.provider.left.wait(), 30)
    await asyncio.wait_for(gateway.core.admission.idle(), 30)


async def events_of(gateway):
    """Headers and value of each event, as they are sent, in order."""
    last, found = gateway.core.spool.durable_through, []
    async for group in gateway.core.spool.read(1):
        found += [(dict(headers), value) for _, value, headers in lifecycle_events(group.value)]
        if group.last_sequence >= last:
            return found
    return found


@pytest.fixture
async def events(start):
    async with start() as gateway:
        script = gateway.provider.script
        await gateway.chat(x_metaqore_project="payroll")
        await gateway.chat({"stream": True})
        await gateway.chat(key="key-intern")
        gateway.provider.script = [failed()]
        await gateway.chat()
        await leave(gateway)
        gateway.provider.script = script
        await gateway.chat({"messages": [{"role": "user", "content": "mail me: a@example.org"}]})
        gateway.provider.left.clear()
        await leave(gateway, disk_refuses=True)
    async with start() as gateway:
        return await events_of(gateway)


async def test_every_event_is_what_its_schema_and_its_model_say(events):
    states = []
    for headers, value in events:
        ce_type = headers["ce_type"].decode()
        schema = json.loads((SCHEMAS / f"{ce_type}.json").read_text())
        Draft202012Validator(schema).validate(json.loads(value))
        event = {model.ce_type: model for model in (TaskStarted, TaskFinished)}[ce_type].model_validate_json(value)
        assert headers["ce_subject"].decode() == event.task
        assert set(json.loads(value)) - {"kind"} == set(type(event).model_fields)
        if isinstance(event, TaskFinished):
            states.append(event.state)
    assert states == ["done", "done", "denied", "failed", "cancelled", "done", "interrupted"]
    assert set(states) == {str(state) for state in TaskState} - {"running"}


async def test_a_task_starts_once_and_finishes_once(events):
    ids = [headers["ce_id"] for headers, _ in events]
    assert len(ids) == len(set(ids)) == 14
    assert sum(one.endswith(b"/started") for one in ids) == 7
