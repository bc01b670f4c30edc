"""What a transaction changed, as the rows that projections need of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.ports import Changes, Recorded
from metaqore_ai_gateway.service.psmp.standing import Standing
from metaqore_governance_core.psmp.artifact_events import Drafted
from metaqore_governance_core.psmp.artifact_state import Artifact


def columns_of(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


def touched(events: Iterable[Recorded]) -> list[tuple[str, int]]:
    """The versions of artifacts to which something happened."""
    found = {
        (one.happened.of.id, one.happened.event.version): None
        for one in events
        if one.happened.of.kind is Kind.ARTIFACT and hasattr(one.happened.event, "version")
    }
    return list(found)


def texts_named(changes: Changes) -> list[str]:
    """The digests of texts that new versions name without bringing them, in order."""
    events = (one.happened.event for one in changes.events)
    named = {event.content.body.digest for event in events if isinstance(event, Drafted)}
    return sorted(named - changes.bodies.keys())


def artifact_in(aggregates: Mapping[Ref, Standing], name: str) -> Artifact:
    """The artifact as it is after the changes."""
    state = aggregates[Ref(Kind.ARTIFACT, name)].state
    assert isinstance(state, Artifact)  # noqa: S101 - what its kind says
    return state
