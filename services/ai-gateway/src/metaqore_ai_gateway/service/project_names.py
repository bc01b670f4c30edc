"""The name by which a policy may label a project."""

from __future__ import annotations

from metaqore_ai_gateway.service.ports import ProjectNames
from metaqore_governance_core.decision import Policy


async def name_for(policy: Policy, names: ProjectNames, organization: str, project: str | None) -> str | None:
    """The project's name. None where it has none, or no label stands on any. Raises as the port."""
    if project is None or not policy.project_labels:
        return None
    return await names.name_of(organization, project)
