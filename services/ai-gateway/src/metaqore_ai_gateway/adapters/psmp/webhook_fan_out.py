"""Each event for each webhook that wants it: what an event relay gives becomes messages that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_ai_gateway.adapters.psmp.webhook_store import webhook_of
from metaqore_ai_gateway.domain.webhook import Webhook
from metaqore_ai_gateway.service.psmp.ids import delivery_id
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_ai_gateway.service.psmp.webhooks import filter_of
from metaqore_mesh.database.pool import transaction

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

CONSUMER: Final = "webhooks"
"""Under this name the relay keeps how far the messages have come."""

MOST_WAITING: Final = 10_000
"""A webhook for which more wait is disabled: whoever mends it lets them be sent from an event on.

What waited then, and what is sent again, counts no more: it may take hours, and the next event would disable it anew.
"""

_ACTIVE: Final = """
select id, organization, url, description, projects, aggregate, aggregate_id, names, state, reason, made_by, made_us,
    secret
from psmp_webhooks where organization = any ($1::text[]) and state = 'active'
"""
_ADD: Final = """
insert into psmp_webhook_deliveries (organization, webhook, project, version, name, id, due_us, made_us)
select given.*, $1, $1 from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[]) as given
on conflict (organization, webhook, project, version) do nothing
"""
_DISABLE_BEHIND: Final = """
update psmp_webhooks as w set state = 'disabled', reason = 'too_many_waiting'
from unnest($1::text[], $2::text[]) as touched (organization, webhook)
where w.organization = touched.organization and w.id = touched.webhook and w.state = 'active'
    and (
        select count(*) from (
            select from psmp_webhook_deliveries as d
            where d.organization = w.organization and d.webhook = w.id and d.state = 'waiting'
                and d.made_us > w.replayed_us limit $3 + 1
        ) as waiting
    ) > $3
returning w.id
"""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebhookFanOut:
    """Give it to an `EventRelay` as `give`. An event that comes again makes no second message."""

    pool: asyncpg.Pool[asyncpg.Record]
    now_us: Callable[[], int]

    async def __call__(self, events: Sequence[Relayed]) -> None:
        """Return once all messages wait."""
        async with transaction(self.pool) as connection:
            await become_relay(connection)
            organizations = list({event.organization for event in events})
            webhooks = [webhook_of(row) for row in await connection.fetch(_ACTIVE, organizations)]
            if webhooks:
                await self._add(connection, webhooks, events)

    async def _add(self, connection: Connection, webhooks: Sequence[Webhook], events: Sequence[Relayed]) -> None:
        wants = [(webhook, filter_of(webhook)) for webhook in webhooks]
        rows = [
            (
                event.organization,
                webhook.id,
                event.project,
                event.version,
                event.name,
                delivery_id(event.organization, webhook.id, event.project, event.version),
            )
            for event in events
            for webhook, wanted in wants
            if webhook.organization == event.organization
            and webhook.created_us <= event.recorded_us
            and wanted.wants(event)
        ]
        if not rows:
            return
        await connection.execute(_ADD, self.now_us(), *(list(column) for column in zip(*rows, strict=True)))
        touched = list({row[:2] for row in rows})
        columns = [list(column) for column in zip(*touched, strict=True)]
        for row in await connection.fetch(_DISABLE_BEHIND, *columns, MOST_WAITING):
            _log.warning("webhook.disabled", webhook=row["id"], reason="too_many_waiting")
