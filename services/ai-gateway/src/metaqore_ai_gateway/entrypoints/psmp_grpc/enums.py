"""The enumerations of `metaqore.psmp.v1` and the core's own, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from metaqore.gateway.v1 import gateway_pb2
from metaqore.psmp.v1 import artifact_pb2, conflict_pb2, history_pb2, project_pb2, refusal_pb2, work_pb2
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import invalid
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.reading_ports import ChangeKind, Direction
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.blocking_report import Cause
from metaqore_governance_core.psmp.conflicts.model import Choice, Severity
from metaqore_governance_core.psmp.project import Mode, ProjectState
from metaqore_governance_core.psmp.work import WorkState
from metaqore_governance_core.sensitivity import Sensitivity

_E = TypeVar("_E", bound=Enum)


def _values(wrapper: Any, members: type[_E], prefix: str) -> dict[_E, int]:
    return {member: wrapper.Value(f"{prefix}_{member.name}") for member in members}


PHASES: Final[Mapping[Phase, Any]] = _values(artifact_pb2.Phase, Phase, "PHASE")
DIRECTIONS: Final[Mapping[Direction, Any]] = _values(
    artifact_pb2.ProvenanceDirection, Direction, "PROVENANCE_DIRECTION"
)
SENSITIVITIES: Final[Mapping[Sensitivity, Any]] = _values(gateway_pb2.Sensitivity, Sensitivity, "SENSITIVITY")
SEVERITIES: Final[Mapping[Severity, Any]] = _values(conflict_pb2.Severity, Severity, "SEVERITY")
CHOICES: Final[Mapping[Choice, Any]] = _values(conflict_pb2.Choice, Choice, "CHOICE")
CAUSES: Final[Mapping[Cause, Any]] = _values(conflict_pb2.Cause, Cause, "CAUSE")
AGGREGATES: Final[Mapping[Kind, Any]] = _values(history_pb2.Aggregate, Kind, "AGGREGATE")
CHANGES: Final[Mapping[ChangeKind, Any]] = _values(history_pb2.ChangeKind, ChangeKind, "CHANGE_KIND")
MODES: Final[Mapping[Mode, Any]] = _values(project_pb2.Mode, Mode, "MODE")
PROJECT_STATES: Final[Mapping[ProjectState, Any]] = _values(project_pb2.ProjectState, ProjectState, "PROJECT_STATE")
TASK_STATES: Final[Mapping[WorkState, Any]] = _values(work_pb2.TaskState, WorkState, "TASK_STATE")
REFUSALS: Final[Mapping[str, Any]] = {
    "denied": refusal_pb2.REFUSAL_STATE_DENIED,
    "refused": refusal_pb2.REFUSAL_STATE_REFUSED,
    "failed": refusal_pb2.REFUSAL_STATE_FAILED,
}


def chosen(table: Mapping[_E, Any], value: int, field: str) -> _E | None:
    """The member that a client names; None where it names none. Raises `invalid_request` for one of tomorrow."""
    if not value:
        return None
    for member, number in table.items():
        if number == value:
            return member
    raise invalid(field, f"is unknown here. Use one of: {', '.join(member.name for member in table)}.")


def required(table: Mapping[_E, Any], value: int, field: str) -> _E:
    """As `chosen`, and raises where none is named."""
    member = chosen(table, value, field)
    if member is None:
        raise invalid(field, f"is missing. Use one of: {', '.join(one.name for one in table)}.")
    return member
