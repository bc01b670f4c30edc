"""The three deciders' folds as one: which state an aggregate begins in, and what an event makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import assert_never, cast

from metaqore_ai_gateway.service.psmp.asked import Kind, State
from metaqore_governance_core.psmp import artifact_events, artifact_evolve, project, work, work_evolve
from metaqore_governance_core.psmp.artifact_state import FINAL_PHASES, Artifact
from metaqore_governance_core.psmp.event_codec import Event


def beginning(kind: Kind) -> State:
    """The state before the first event."""
    match kind:
        case Kind.PROJECT:
            return project.Project()
        case Kind.ARTIFACT:
            return Artifact()
        case Kind.TASK:
            return work.Work()
        case _:
            assert_never(kind)


def evolve(state: State, event: Event) -> State:
    """`state` after `event`."""
    match state:
        case Artifact():
            return artifact_evolve.evolve(state, cast("artifact_events.Event", event))
        case project.Project():
            return project.evolve(state, cast("project.Event", event))
        case work.Work():
            return work_evolve.evolve(state, cast("work.Event", event))
        case _:
            assert_never(state)


def fold(state: State, happened: Iterable[Event]) -> State:
    """`state` after all that happened."""
    return reduce(evolve, happened, state)


def is_open(state: State) -> bool:
    """Whether anything in it is not final: what keeps a project from being archived."""
    match state:
        case Artifact():
            return any(version.phase not in FINAL_PHASES for version in state.versions)
        case work.Work():
            return state.state is not None and state.state not in work.FINAL_WORK_STATES
        case project.Project():
            return False
        case _:
            assert_never(state)
