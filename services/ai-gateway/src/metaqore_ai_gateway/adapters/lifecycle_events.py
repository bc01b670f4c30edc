"""What audit records tell of the life of tasks, as events: started, finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from metaqore_ai_gateway.adapters.task_records import Decision, task_records
from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, SPEC_VERSION
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted
from metaqore_mesh.kafka.records import Headers, Outgoing

EVENT_SOURCE: Final = "/metaqore/ai-gateway/tasks"


_ENCODER: Final = msgspec.json.Encoder()


def _fixed(ce_type: str) -> Headers:
    return (
        ("content-type", CONTENT_TYPE.encode()),
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_source", EVENT_SOURCE.encode()),
    )


_STARTED: Final = _fixed(TaskStarted.ce_type)
_FINISHED: Final = _fixed(TaskFinished.ce_type)


def lifecycle_events(group: bytes) -> Iterator[Outgoing]:
    """Key, value and headers of each task's event in a group, in order. The same record makes the same event.

    An event has the fields of its record that are its own; `kind` beside them is passed over by readers.
    """
    for record in task_records(group):
        task = record.task.encode()
        if type(record) is Decision:
            headers = (*_STARTED, ("ce_id", task + b"/started"), ("ce_subject", task))
        else:
            headers = (*_FINISHED, ("ce_id", task + b"/finished"), ("ce_subject", task))
        yield task, _ENCODER.encode(record), headers
