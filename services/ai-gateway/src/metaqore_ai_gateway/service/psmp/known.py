"""What the organization's people see of an aggregate: the state with its id and its revision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref, State
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.work import Work


@dataclass(frozen=True, slots=True)
class Known:
    """An aggregate at one moment.

    `id` names it in its organization for ever; `revision` counts its own events, from 1; `project_version` is the
    project's version of that moment.
    """

    ref: Ref
    id: str
    project: str
    revision: int
    project_version: int
    state: State

    @property
    def artifact(self) -> Artifact:
        """The state of an artifact."""
        return cast("Artifact", self.state)

    @property
    def project_state(self) -> Project:
        """The state of a project."""
        return cast("Project", self.state)

    @property
    def work(self) -> Work:
        """The state of a task."""
        return cast("Work", self.state)


def id_of(organization: str, project: str, ref: Ref) -> str:
    """What names an aggregate in its organization."""
    return artifact_id(organization, project, ref.id) if ref.kind is Kind.ARTIFACT else ref.id
