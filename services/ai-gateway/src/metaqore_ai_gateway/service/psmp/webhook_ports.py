"""What webhooks need of a store, of the network and of keys, and what they may rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from metaqore_ai_gateway.domain.webhook import Attempt, Delivery, DeliveryState, Webhook
from metaqore_ai_gateway.service.psmp.relayed import Relayed


class WebhookStore(Protocol):
    """The webhooks of one organization, which nobody else sees."""

    async def create(self, webhook: Webhook, most: int) -> Webhook | None:
        """The webhook as it is kept; None where there are `most` already."""
        ...

    async def find(self, organization: str, webhook: str) -> Webhook | None:
        """One by its id."""
        ...

    async def page(self, organization: str, after: str, size: int) -> Sequence[Webhook]:
        """By id, behind `after`."""
        ...

    async def delete(self, organization: str, webhook: str) -> bool:
        """Whether it was there. Its deliveries go with it."""
        ...

    async def deliveries(
        self,
        organization: str,
        webhook: str,
        *,
        state: DeliveryState | None,
        before: tuple[int, str] | None,
        size: int,
    ) -> Sequence[Delivery]:
        """The newest first, behind the time and id of one."""
        ...

    async def find_delivery(self, organization: str, webhook: str, delivery: str) -> Delivery | None:
        """One by its id."""
        ...

    async def send_again(
        self, organization: str, webhook: str, events: Sequence[tuple[str, int, str]], now_us: int
    ) -> None:
        """Let the events, by project, version and name, be sent now as if for the first time.

        A webhook that is disabled is active again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is to be sent now: to whom, and the event in it. `attempts` were made before."""

    id: str
    organization: str
    webhook: str
    url: str
    secret: bytes = field(repr=False)
    event: Relayed
    attempts: int


class DeliveryQueue(Protocol):
    """The messages of all organizations that wait to be sent."""

    async def claim(
        self, now_us: int, *, lease_us: int, per_webhook: int, sending: Mapping[tuple[str, str], int], most: int
    ) -> Sequence[Claimed]:
        """Messages that are due; nobody else is given them during the lease.

        `sending` counts, by organization and webhook, what is being sent: no more than `per_webhook` with these, and
        first for the organizations of which the fewest are.
        """
        ...

    async def settle(
        self, claimed: Claimed, attempt: Attempt, state: DeliveryState, *, due_us: int, disable: str = ""
    ) -> None:
        """Keep what came of it, and when it is due again where it waits. `disable` is why nothing more is sent."""
        ...


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a request: its HTTP status, or the code of the error why there is none."""

    status: int | None = None
    error: str = ""
    retry_after_s: float | None = None


class Post(Protocol):
    """Sends a request, within bounds, to where a webhook may send. It raises nothing."""

    async def __call__(self, url: str, headers: Sequence[tuple[str, str]], body: bytes, /) -> Posted:
        """What came of it. Redirects are not followed, and answers not read."""
        ...


class Sign(Protocol):
    """Signs a message as Standard Webhooks has it."""

    def __call__(self, secret: bytes, message_id: str, now_us: int, body: bytes, /) -> Sequence[tuple[str, str]]:
        """The headers that name the message, its time and its signature."""
        ...


class SealedSecrets(Protocol):
    """Secrets as they may be kept in rows."""

    def seal(self, organization: str, webhook: str, secret: bytes) -> bytes:
        """It opens only for this webhook."""
        ...

    def open(self, organization: str, webhook: str, sealed: bytes) -> bytes:
        """The secret. Raises `webhook_secret_unreadable`."""
        ...
