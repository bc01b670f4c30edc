"""Requests about webhooks that are repeated with the same idempotency key: run once, answered alike."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from metaqore_ai_gateway.service.ports import Idempotency, StoredAnswer
from metaqore_ai_gateway.service.psmp.webhook_ports import SealedSecrets
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller

Run = Callable[[], Awaitable[StoredAnswer]]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RepeatedRequests:
    """The first request with a key is run, and its answer kept for a day, sealed: it may hold a webhook's secret.

    What is refused is not kept: a repeat runs anew.
    """

    kept: Idempotency
    sealed: SealedSecrets

    async def __call__(self, caller: Caller, asked: str, key: str, raw: bytes, run: Run) -> tuple[StoredAnswer, bool]:
        """The answer, and whether it was given before. `asked` names what the key is for, as a path does.

        Raises `idempotency_in_flight`, `idempotency_body_differs`, and what `run` raises.
        """
        organization, named = caller.organization, _named(caller, asked, key)
        before = await self.kept.begin(organization, named, hashlib.sha256(raw).digest())
        if before is not None:
            return replace(before, body=self.sealed.open(organization, named, before.body)), True
        try:
            answer = await run()
        except BaseException:
            with suppress(MetaQoreError):  # what cannot be released is free all the same
                await self.kept.release(organization, named)
            raise
        try:
            sealed = self.sealed.seal(organization, named, answer.body)
            await self.kept.finish(organization, named, replace(answer, body=sealed))
        except MetaQoreError as error:  # it is done and recorded, so the answer leaves all the same
            _log.warning("idempotency.finish_failed", error=error.code)
        return answer, False


def _named(caller: Caller, asked: str, key: str) -> str:
    """Each caller's keys are its own, and so are those of each thing that is asked for."""
    return f"webhooks:{hashlib.sha256(canonical([caller.name, asked, key])).hexdigest()}"
