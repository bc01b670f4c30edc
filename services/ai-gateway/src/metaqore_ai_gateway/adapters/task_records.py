"""The records of tasks in a group of the spool."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec


class Decision(msgspec.Struct, tag_field="kind", tag="decision"):
    """What a `DecisionRecord` tells beyond its proof."""

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


class Outcome(msgspec.Struct, tag_field="kind", tag="outcome"):
    """What an `OutcomeRecord` tells beyond its proof."""

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
    """Of no task."""


class _Group(msgspec.Struct):
    records: list[Decision | Outcome | _Command]


_GROUPS: Final = msgspec.json.Decoder(_Group)


@lru_cache(maxsize=32)
def task_records(group: bytes) -> tuple[Decision | Outcome, ...]:
    """Those of `group`, a `StoredGroup.value`, in order. Not to be changed.

    Kept for a moment: several follow the spool, and each comes for the same groups. Some twenty gather between two
    looks of theirs under full load.
    """
    return tuple([record for record in _GROUPS.decode(group).records if not isinstance(record, _Command)])
