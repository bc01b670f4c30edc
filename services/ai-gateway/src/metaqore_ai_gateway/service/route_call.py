"""Run a permitted task on the first of its routes that answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.domain.rulebook import Route
from metaqore_ai_gateway.service.ports import Provider, ProviderCall
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.value_object import value_object

UNREACHABLE: Final = "provider_unreachable"


@value_object
class Routed:
    """The route that is tried from here on."""

    route: Route


@dataclass(frozen=True, slots=True)
class RouteCall:
    """Try the routes in order, each once, and once more where no connection could be made.

    A route gives way to the next only before its first chunk, and only for an error that a repeat may mend.
    """

    providers: Mapping[str, Provider]

    async def __call__(
        self, routes: Sequence[Route], call: ProviderCall
    ) -> AsyncGenerator[bytes | Usage | Routed, None]:
        """Yield each route that is tried, then what its provider yields. Raises the last route's error."""
        tries = list(routes)
        retried = False
        while tries:
            route = tries.pop(0)
            yield Routed(route)
            answered = False
            try:
                async with aclosing(self.providers[route.provider].generate(_at(route, call))) as answer:
                    async for piece in answer:
                        answered = True
                        yield piece
            except MetaQoreError as error:
                if answered or not error.retryable or error.kind is ErrorKind.DEADLINE_EXCEEDED:
                    raise
                if error.code == UNREACHABLE and not retried:
                    retried = True
                    tries.insert(0, route)
                elif not tries:
                    raise
            else:
                return


def _at(route: Route, call: ProviderCall) -> ProviderCall:
    return call if route.model == call.model else replace(call, model=route.model)
