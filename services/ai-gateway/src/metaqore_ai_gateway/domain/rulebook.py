"""What governs a chat: the policy, and which providers serve which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.allowpaths import Passage, model_tool
from metaqore_governance_core.decision import GENERATE, Decision, Policy
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.residency import Locality

MOST_NAMED: Final = 20
"""So many models an error names."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to run a model: a provider, the name that it has for the model, and where it runs."""

    provider: str
    model: str
    locality: Locality


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One immutable snapshot of everything that decides. `models` gives each model's routes in their own order."""

    policy: Policy
    models: Mapping[str, Sequence[Route]]
    default_model: str

    def routes(self, model: str, caller: Caller) -> Sequence[Route]:
        """The routes of a model. Raises `MetaQoreError` `model_not_found`, which names those that `caller` may use."""
        found = self.models.get(model)
        if not found:
            raise model_not_found(self.models_for(caller))
        return found

    def models_for(self, caller: Caller) -> list[str]:
        """The models that the allowpaths open to a caller: of others it is not told."""
        permits = self.policy.allowpaths.permits
        who = (caller.organization, caller.name)
        return [name for name in self.models if permits(*who, model_tool(name), GENERATE) is Passage.ALLOWED]

    def localities(self, model: str) -> frozenset[Locality]:
        """Where the providers of a model run."""
        return frozenset(route.locality for route in self.models.get(model, ()))


def permitted_routes(routes: Sequence[Route], decision: Decision) -> list[Route]:
    """The routes that `decision` permits, best first."""
    permitted = [route for route in routes if route.locality in decision.localities]
    if decision.in_order and len(permitted) > 1:
        permitted.sort(key=lambda route: decision.localities.index(route.locality))
    return permitted


def model_not_found(usable: Sequence[str]) -> MetaQoreError:
    """The model is none, or none that the caller may know of; `usable` are those that it may use."""
    if not usable:
        told = "The policy opens no model to this key; ask the operator for an allowpath."
    else:
        more = f", and {len(usable) - MOST_NAMED} more" if len(usable) > MOST_NAMED else ""
        told = f"This key may use: {', '.join(usable[:MOST_NAMED])}{more}."
    return MetaQoreError("model_not_found", f"There is no such model here. {told}", kind=ErrorKind.NOT_FOUND)
