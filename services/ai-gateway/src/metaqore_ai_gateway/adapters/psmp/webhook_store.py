"""Webhooks in PostgreSQL: the port `WebhookStore`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.domain.webhook import Attempt, Delivery, DeliveryState, Webhook, WebhookState
from metaqore_ai_gateway.service.psmp.ids import delivery_id

_WEBHOOK: Final = """
id, organization, url, description, projects, aggregate, aggregate_id, names, state, reason, made_by, made_us, secret
"""
_CREATE: Final = f"""
insert into psmp_webhooks (
    organization, id, url, description, projects, aggregate, aggregate_id, names, made_by, secret
)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
where (select count(*) from psmp_webhooks where organization = $1) < $11
returning {_WEBHOOK}
"""  # noqa: S608  a constant, here and below
_FIND: Final = f"select {_WEBHOOK} from psmp_webhooks where organization = $1 and id = $2"  # noqa: S608 - constants only
_PAGE: Final = f"""
select {_WEBHOOK} from psmp_webhooks where organization = $1 and id > $2 order by id limit $3
"""  # noqa: S608 - constants only
_DELETE: Final = "delete from psmp_webhooks where organization = $1 and id = $2 returning true"
_DELIVERY: Final = """
id, webhook, project, version, name, state, log, attempts, due_us, made_us, ended_us
"""
_DELIVERIES: Final = f"""
select {_DELIVERY} from psmp_webhook_deliveries
where organization = $1 and webhook = $2 and ($3::text is null or state = $3)
    and ($4::bigint is null or (made_us, id) < ($4, $5))
order by made_us desc, id desc limit $6
"""  # noqa: S608 - constants only
_FIND_DELIVERY: Final = f"""
select {_DELIVERY} from psmp_webhook_deliveries where organization = $1 and webhook = $2 and id = $3
"""  # noqa: S608 - constants only
_SEND_AGAIN: Final = """
insert into psmp_webhook_deliveries (organization, webhook, project, version, name, id, due_us, made_us)
select $1, $2, given.*, $3, $3 from unnest($4::text[], $5::bigint[], $6::text[], $7::text[]) as given
on conflict (organization, webhook, project, version) do update set
    state = 'waiting', attempts = 0, due_us = excluded.due_us, ended_us = null
"""
_ENABLE: Final = """
update psmp_webhooks set state = 'active', reason = '', replayed_us = $3 where organization = $1 and id = $2
"""


@dataclass(frozen=True, slots=True)
class PostgresWebhookStore:
    """The port `WebhookStore` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def create(self, webhook: Webhook, most: int) -> Webhook | None:
        """The webhook as it is kept."""
        async with of_organization(self.pool, webhook.organization) as connection:
            row = await connection.fetchrow(
                _CREATE,
                webhook.organization,
                webhook.id,
                webhook.url,
                webhook.description,
                list(webhook.projects),
                webhook.aggregate,
                webhook.aggregate_id,
                list(webhook.names),
                webhook.by,
                webhook.secret,
                most,
            )
        return None if row is None else webhook_of(row)

    async def find(self, organization: str, webhook: str) -> Webhook | None:
        """One by its id."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_FIND, organization, webhook)
        return None if row is None else webhook_of(row)

    async def page(self, organization: str, after: str, size: int) -> Sequence[Webhook]:
        """By id."""
        async with of_organization(self.pool, organization) as connection:
            return [webhook_of(row) for row in await connection.fetch(_PAGE, organization, after, size)]

    async def delete(self, organization: str, webhook: str) -> bool:
        """Whether it was there."""
        async with of_organization(self.pool, organization) as connection:
            return bool(await connection.fetchval(_DELETE, organization, webhook))

    async def deliveries(
        self,
        organization: str,
        webhook: str,
        *,
        state: DeliveryState | None,
        before: tuple[int, str] | None,
        size: int,
    ) -> Sequence[Delivery]:
        """The newest first."""
        at = before or (None, None)
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_DELIVERIES, organization, webhook, state, *at, size)
        return [_delivery_of(row) for row in rows]

    async def find_delivery(self, organization: str, webhook: str, delivery: str) -> Delivery | None:
        """One by its id."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_FIND_DELIVERY, organization, webhook, delivery)
        return None if row is None else _delivery_of(row)

    async def send_again(
        self, organization: str, webhook: str, events: Sequence[tuple[str, int, str]], now_us: int
    ) -> None:
        """Let the events be sent now."""
        ids = [delivery_id(organization, webhook, project, version) for project, version, _ in events]
        columns = [list(column) for column in zip(*events, strict=True)] if events else [[], [], []]
        async with of_organization(self.pool, organization) as connection:
            await connection.execute(_ENABLE, organization, webhook, now_us)
            await connection.execute(_SEND_AGAIN, organization, webhook, now_us, *columns, ids)


def webhook_of(row: asyncpg.Record) -> Webhook:
    """The webhook of a row."""
    return Webhook(
        row["id"],
        row["organization"],
        row["url"],
        row["description"],
        tuple(row["projects"]),
        row["aggregate"],
        row["aggregate_id"],
        tuple(row["names"]),
        WebhookState(row["state"]),
        row["reason"],
        row["made_by"],
        row["made_us"],
        row["secret"],
    )


def _delivery_of(row: asyncpg.Record) -> Delivery:
    attempts = tuple(Attempt(**one) for one in json.loads(row["log"]))
    return Delivery(
        row["id"],
        row["webhook"],
        row["project"],
        row["version"],
        row["name"],
        DeliveryState(row["state"]),
        attempts,
        row["attempts"],
        row["due_us"],
        row["made_us"],
        row["ended_us"],
    )
