"""Webhooks: made, listed, deleted, and what was sent to them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from metaqore_ai_gateway.domain.webhook import Delivery, DeliveryState, Webhook
from metaqore_ai_gateway.domain.webhook_target import read_target
from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_ai_gateway.service.ports import StoredAnswer
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.decide_command import Question, Recorded, denied
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import event_id, read_event_id, webhook_id
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent, Readings
from metaqore_ai_gateway.service.psmp.watching import WatchFilter
from metaqore_ai_gateway.service.psmp.webhook_ports import SealedSecrets, WebhookStore
from metaqore_ai_gateway.service.psmp.webhook_repeats import RepeatedRequests
from metaqore_governance_core.decision import lacking
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_governance_core.psmp.event_codec import name_of

TOOL: Final = "psmp.webhook"
_NEEDS: Final = (Scope.PSMP_READ, Scope.PSMP_WRITE)

MOST_WEBHOOKS: Final = 100
"""So many an organization may have."""
MOST_REPLAYED: Final = 2_000
MOST_SEARCHED: Final = 20_000
"""So many events are sent again, and looked at for it, with one request."""

SHOWN_PREFIX: Final = "whsec_"
"""So begins a secret as it is shown, by Standard Webhooks."""

_SECRET_BYTES: Final = 32
_PAGE: Final = 500


class CheckWatched(Protocol):
    """`Watching.check`."""

    async def __call__(self, caller: Caller, wanted: WatchFilter, after: Sequence[str] = (), /) -> object:
        """Raises where the caller may not see this, or it is not there."""
        ...


class DecideWebhook(Protocol):
    """`DecideCommand`."""

    async def __call__(self, question: Question, text: bytes, raw: bytes, /) -> Recorded:
        """Decide and record. Raises `CommandRefusedError` for a denial."""
        ...


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What a caller asks for. What is empty does not narrow it."""

    url: str
    description: str = ""
    projects: tuple[str, ...] = ()
    aggregate: str = ""
    aggregate_id: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events are sent again, and the last that was looked at: with it, one can go on where there are more."""

    count: int
    last_event_id: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use cases behind the door. Reading needs the scope `psmp:read`, everything else `psmp:write` as well.

    What a webhook is sent is what its maker may read: events of its organization. To let them out is decided by policy
    (tool `psmp.webhook`) and recorded before it is done; `raw` is the request as it came, to which the record commits.
    """

    store: WebhookStore
    repeats: RepeatedRequests
    sealed: SealedSecrets
    readings: Readings
    check: CheckWatched
    decide: DecideWebhook
    allowed_hosts: Collection[str]
    now_us: Callable[[], int]
    new_id: Callable[[], str]

    async def once(
        self, caller: Caller, asked: str, key: str, raw: bytes, run: Callable[[], Awaitable[StoredAnswer]]
    ) -> tuple[StoredAnswer, bool]:
        """The answer of `run`, and whether it was given before. With a key it is run once; see `RepeatedRequests`."""
        verb, _, webhook = asked.partition(" ")
        await self._admit(caller, verb, webhook, raw)
        return await self.repeats(caller, asked, key, raw, run) if key else (await run(), False)

    async def create(
        self, caller: Caller, asked: NewWebhook, raw: bytes, key: str = ""
    ) -> tuple[Webhook, str, Recorded]:
        """The webhook, its secret, which is shown this once, and the receipt.

        With a key, what it made before a crash is found again. Raises `too_many_webhooks` and for what is invalid.
        """
        await self._admit(caller, "create", "", raw)
        read_target(asked.url, self.allowed_hosts)
        webhook = self._wanted(caller, asked, webhook_id(caller.organization, caller.name, key) if key else "")
        found = await self.store.find(caller.organization, webhook.id) if key else None
        if found is not None and not _same(found, webhook):
            found, webhook = None, self._wanted(caller, asked, "")  # the key is free again after a day
        await self.check(caller, filter_of(webhook))
        recorded = await self._decided(caller, "create", webhook.id, raw)
        if found is not None:
            return found, _shown(self.sealed.open(caller.organization, found.id, found.secret)), recorded
        secret = secrets.token_bytes(_SECRET_BYTES)
        sealed = self.sealed.seal(caller.organization, webhook.id, secret)
        kept = await self.store.create(replace(webhook, secret=sealed), MOST_WEBHOOKS)
        if kept is None:
            message = f"Your organization has {MOST_WEBHOOKS} webhooks already. Delete one first."
            raise MetaQoreError("too_many_webhooks", message, kind=ErrorKind.EXHAUSTED)
        return kept, _shown(secret), recorded

    def _wanted(self, caller: Caller, asked: NewWebhook, id_: str) -> Webhook:
        return Webhook(
            id_ or f"webhook_{self.new_id()}",
            caller.organization,
            asked.url,
            asked.description,
            asked.projects,
            asked.aggregate,
            asked.aggregate_id,
            asked.names,
            by=caller.name,
        )

    async def get(self, caller: Caller, webhook: str) -> Webhook:
        """One by its id. Raises `webhook_not_found`."""
        require_scope(caller, Scope.PSMP_READ)
        return await self._found(caller, webhook)

    async def page(self, caller: Caller, after: str, size: int) -> Sequence[Webhook]:
        """By id, behind `after`."""
        require_scope(caller, Scope.PSMP_READ)
        return await self.store.page(caller.organization, after, size)

    async def delete(self, caller: Caller, webhook: str) -> Recorded:
        """Send nothing more to it, and forget what was sent. Raises `webhook_not_found`."""
        await self._admit(caller, "delete", webhook, b"")
        await self._found(caller, webhook)
        recorded = await self._decided(caller, "delete", webhook, b"")
        if not await self.store.delete(caller.organization, webhook):
            raise not_found("webhook")
        return recorded

    async def deliveries(
        self,
        caller: Caller,
        webhook: str,
        *,
        state: DeliveryState | None,
        before: tuple[int, str] | None,
        size: int,
    ) -> Sequence[Delivery]:
        """The newest first, behind the time and id of one. Raises `webhook_not_found`."""
        await self.get(caller, webhook)
        return await self.store.deliveries(caller.organization, webhook, state=state, before=before, size=size)

    async def replay(self, caller: Caller, webhook: str, delivery: str, raw: bytes) -> tuple[Replayed, Recorded]:
        """Send one message again. Raises `webhook_not_found` or `delivery_not_found`."""
        await self._admit(caller, "replay", webhook, raw)
        await self._found(caller, webhook)
        found = await self.store.find_delivery(caller.organization, webhook, delivery)
        if found is None:
            raise not_found("delivery")
        recorded = await self._decided(caller, "replay", webhook, raw)
        events = [(found.project, found.version, found.name)]
        await self.store.send_again(caller.organization, webhook, events, self.now_us())
        return Replayed(1, event_id(found.project, found.version)), recorded

    async def replay_after(self, caller: Caller, webhook: str, after: str, raw: bytes) -> tuple[Replayed, Recorded]:
        """Send again what its project told behind that event, as far as the webhook wants it.

        Raises `webhook_not_found` or `event_unknown`.
        """
        await self._admit(caller, "replay", webhook, raw)
        found = await self._found(caller, webhook)
        wanted = filter_of(found)
        await self.check(caller, WatchFilter(), (after,))
        recorded = await self._decided(caller, "replay", webhook, raw)
        project, version = read_event_id(after)
        events: list[tuple[str, int, str]] = []
        searched, more = 0, True
        while more and len(events) < MOST_REPLAYED and searched < MOST_SEARCHED:
            page = await self.readings.events(caller, project, version, _PAGE)
            more = bool(page)
            for event in page:
                if len(events) >= MOST_REPLAYED:
                    break
                version, searched = event.happened.version, searched + 1
                if wanted.wanted(event):
                    events.append((project, version, _name(event)))
        await self.store.send_again(caller.organization, webhook, events, self.now_us())
        return Replayed(len(events), event_id(project, version), more), recorded

    async def _admit(self, caller: Caller, verb: str, webhook: str, raw: bytes) -> None:
        """Raises the denial, which is on record, where the caller's key lacks a scope."""
        if lacking(caller, _NEEDS) is not None:
            await denied(self._decided(caller, verb, webhook, raw))

    async def _decided(self, caller: Caller, verb: str, webhook: str, raw: bytes) -> Recorded:
        target = (f"webhook:{webhook}",) if webhook else ()
        question = Question(caller, Door.REST, TOOL, verb, None, target, needs=_NEEDS)
        return await self.decide(question, raw, raw)

    async def _found(self, caller: Caller, webhook: str) -> Webhook:
        found = await self.store.find(caller.organization, webhook)
        if found is None:
            raise not_found("webhook")
        return found


def filter_of(webhook: Webhook) -> WatchFilter:
    """What it is sent."""
    return WatchFilter(
        frozenset(webhook.projects),
        Kind(webhook.aggregate) if webhook.aggregate else None,
        webhook.aggregate_id,
        frozenset(webhook.names),
    )


def _same(found: Webhook, wanted: Webhook) -> bool:
    """Whether the one that is there is what is asked for."""
    return (found.url, found.description, filter_of(found)) == (wanted.url, wanted.description, filter_of(wanted))


def _shown(secret: bytes) -> str:
    return SHOWN_PREFIX + base64.b64encode(secret).decode("ascii")


def _name(event: PastEvent) -> str:
    return name_of(event.happened.event)
