"""What audit records tell of the life of tasks, as events: started, finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, SPEC_VERSION
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted
from metaqore_mesh.kafka.records import Headers, Outgoing

EVENT_SOURCE: Final = "/metaqore/ai-gateway/tasks"


class _Decision(msgspec.Struct, tag_field="kind", tag="decision"):
    task: str
    organization: str
    project: str | None
    door: str
    model: str
    verdict: str
    reasons: list[str]
    sensitivity: str
    policy: str
    policy_version: str
    receipt: str
    time_us: int


class _Outcome(msgspec.Struct, tag_field="kind", tag="outcome"):
    task: str
    organization: str
    state: str
    error: str | None
    attempts: int
    model: str | None
    provider: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_us: int
    receipt: str
    time_us: int


class _Command(msgspec.Struct, tag_field="kind", tag="command"):
    """No task: its events are of another topic."""


class _Group(msgspec.Struct):
    records: list[_Decision | _Outcome | _Command]


_GROUPS: Final = msgspec.json.Decoder(_Group)
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
    for record in _GROUPS.decode(group).records:
        if isinstance(record, _Command):
            continue
        task = record.task.encode()
        if type(record) is _Decision:
            headers = (*_STARTED, ("ce_id", task + b"/started"), ("ce_subject", task))
        else:
            headers = (*_FINISHED, ("ce_id", task + b"/finished"), ("ce_subject", task))
        yield task, _ENCODER.encode(record), headers
