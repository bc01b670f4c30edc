"""Sends what waits for webhooks, again and again where it is not taken."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import prometheus_client
import structlog

from metaqore_ai_gateway.domain.webhook import Attempt, DeliveryState, retry_us
from metaqore_ai_gateway.service.psmp.webhook_message import message
from metaqore_ai_gateway.service.psmp.webhook_ports import Claimed, DeliveryQueue, Post, Posted, SealedSecrets, Sign
from metaqore_governance_core.errors import MetaQoreError

LEASE_US: Final = 120_000_000
"""Longer than a sending takes: what a process leaves behind that ends in the midst is sent again after it."""

PER_WEBHOOK: Final = 4
"""So many are sent to one webhook at once: one that is slow holds no other up.

Nor do many of one organization hold up another's: whoever is sent the least comes first.
"""

_GONE: Final = 410
_OK: Final = range(200, 300)
_REDIRECTED: Final = range(300, 400)
_log = structlog.get_logger()

_SENT: Final = prometheus_client.Counter(
    "metaqore_psmp_webhook_attempts_total", "Messages that were sent to webhooks.", ["outcome"]
)
_SECONDS: Final = prometheus_client.Histogram(
    "metaqore_psmp_webhook_attempt_seconds", "How long a webhook took to answer.", buckets=(0.05, 0.2, 1, 5, 15)
)


@dataclass(slots=True)
class DeliverWebhooks:
    """Delivers until cancelled. Run one in each process: each message is given to one of them at a time.

    A message that was sent when its process ended comes again, with the same id.
    """

    queue: DeliveryQueue
    post: Post
    sign: Sign
    sealed: SealedSecrets
    now_us: Callable[[], int]
    at_once: int = 32
    interval_s: float = 1.0
    _sending: dict[asyncio.Task[None], tuple[str, str]] = field(default_factory=dict)

    async def run(self) -> None:
        """Work for ever; errors of the database are logged and outlived."""
        try:
            while True:
                try:
                    began = await self.once()
                except MetaQoreError as error:
                    began = False
                    _log.warning("webhook.deliveries_failed", code=error.code, message=error.message)
                except Exception:  # noqa: BLE001 - without it nothing would ever be sent again
                    began = False
                    _log.exception("webhook.deliveries_failed")
                await self._rest(0.0 if began else self.interval_s)
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def once(self) -> bool:
        """Begin to send what is due, as much as may be at once; whether there was any."""
        room = self.at_once - len(self._sending)
        if room <= 0:
            return False
        sending = Counter(self._sending.values())
        claimed = await self.queue.claim(
            self.now_us(), lease_us=LEASE_US, per_webhook=PER_WEBHOOK, sending=sending, most=room
        )
        for one in claimed:
            task = asyncio.create_task(self._deliver(one), name="webhook delivery")
            self._sending[task] = one.organization, one.webhook
            task.add_done_callback(self._sending.pop)
        return bool(claimed)

    async def settled(self) -> None:
        """Return once nothing is being sent."""
        if self._sending:
            await asyncio.wait(self._sending)

    async def _rest(self, seconds: float) -> None:
        """Until there is room for more, or for so long; a task that ends may leave room for its webhook's next."""
        if self._sending and seconds:
            await asyncio.wait(self._sending, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

    async def _deliver(self, claimed: Claimed) -> None:
        began_us = self.now_us()
        try:
            posted = await self._posted(claimed, began_us)
        except MetaQoreError as error:
            posted = Posted(error=error.code)
        except Exception:  # noqa: BLE001 - it is tried again, and the log has the cause
            _log.exception("webhook.attempt_failed", webhook=claimed.webhook, delivery=claimed.id)
            posted = Posted(error="internal")
        attempt = Attempt(began_us, max(self.now_us() - began_us, 0), posted.status, _error_of(posted))
        await self._settle(claimed, attempt, posted)

    async def _posted(self, claimed: Claimed, now_us: int) -> Posted:
        secret = self.sealed.open(claimed.organization, claimed.webhook, claimed.secret)
        body = message(claimed.event)
        headers = [("content-type", "application/json"), *self.sign(secret, claimed.id, now_us, body)]
        return await self.post(claimed.url, headers, body)

    async def _settle(self, claimed: Claimed, attempt: Attempt, posted: Posted) -> None:
        ended_us = attempt.at_us + attempt.duration_us
        state, due_us, disable = DeliveryState.DELIVERED, ended_us, ""
        if attempt.error:
            after_us = retry_us(claimed.attempts + 1, random.random(), posted.retry_after_s)  # noqa: S311 - jitter
            if posted.status == _GONE:
                state, disable = DeliveryState.FAILED, "gone"
            elif after_us is None:
                state = DeliveryState.FAILED
            else:
                state, due_us = DeliveryState.WAITING, ended_us + after_us
        _SENT.labels(attempt.error or "delivered").inc()
        _SECONDS.observe(attempt.duration_us / 1_000_000)
        _log.info(
            "webhook.attempted",
            organization=claimed.organization,
            webhook=claimed.webhook,
            delivery=claimed.id,
            status=attempt.status,
            error=attempt.error,
            duration_us=attempt.duration_us,
            state=state.value,
        )
        # Where this fails, the message comes again once its lease is over.
        with contextlib.suppress(MetaQoreError):
            await self.queue.settle(claimed, attempt, state, due_us=due_us, disable=disable)


def _error_of(posted: Posted) -> str:
    if posted.status is None:
        return posted.error or "target_unreachable"
    if posted.status in _OK:
        return ""
    return "redirected" if posted.status in _REDIRECTED else "refused"
