"""What governs a chat: the policy, and which providers serve which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metaqore_governance_core.decision import Decision, Policy
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.residency import Locality


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

    def routes(self, model: str) -> Sequence[Route]:
        """The routes of a model. Raises `MetaQoreError` `model_not_found`."""
        found = self.models.get(model)
        if not found:
            raise model_not_found()
        return found

    def localities(self, model: str) -> frozenset[Locality]:
        """Where the providers of a model run."""
        return frozenset(route.locality for route in self.models.get(model, ()))


def permitted_routes(routes: Sequence[Route], decision: Decision) -> list[Route]:
    """The routes that `decision` permits, best first."""
    permitted = [route for route in routes if route.locality in decision.localities]
    if decision.in_order and len(permitted) > 1:
        permitted.sort(key=lambda route: decision.localities.index(route.locality))
    return permitted


def model_not_found() -> MetaQoreError:
    """The model is none, or none that the caller may know of."""
    message = "There is no such model here. GET /v1/models lists those that there are."
    return MetaQoreError("model_not_found", message, kind=ErrorKind.NOT_FOUND)
