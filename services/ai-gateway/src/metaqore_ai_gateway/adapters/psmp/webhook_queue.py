"""Messages that wait to be sent, in PostgreSQL: the port `DeliveryQueue`, and how they come there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.relay import relayed
from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_ai_gateway.domain.webhook import Attempt, DeliveryState
from metaqore_ai_gateway.service.psmp.webhook_ports import Claimed
from metaqore_mesh.database.pool import transaction

MOST_LOGGED: Final = 20
KEPT_DAYS: Final = 30
"""So long the deliveries stay that have ended."""

_CLAIM: Final = """
with sending as (
    select * from unnest($4::text[], $5::text[], $6::bigint[]) as given (organization, webhook, count)
), theirs as (
    select organization, sum(count)::bigint as count from sending group by organization
), waiting as (
    select found.*, w.url, w.secret, coalesce(theirs.count, 0)
        + row_number() over (partition by w.organization order by found.due_us, found.id) as turn
    from psmp_webhooks as w
        left join theirs on theirs.organization = w.organization
        left join sending on sending.organization = w.organization and sending.webhook = w.id
    cross join lateral (
        select d.organization, d.webhook, d.project, d.version, d.id, d.due_us from psmp_webhook_deliveries as d
        where d.organization = w.organization and d.webhook = w.id and d.state = 'waiting' and d.due_us <= $1
        order by d.due_us limit greatest($3 - coalesce(sending.count, 0), 0)
    ) as found
    where w.state = 'active'
), due as (
    select d.organization, d.webhook, d.project, d.version, d.id, d.attempts, waiting.url, waiting.secret
    from waiting join psmp_webhook_deliveries as d using (organization, webhook, project, version)
    where d.state = 'waiting' and d.due_us <= $1
    order by waiting.turn, waiting.due_us limit $7 for update of d skip locked
), claimed as (
    update psmp_webhook_deliveries as d set due_us = $1 + $2 from due
    where (d.organization, d.webhook, d.project, d.version)
        = (due.organization, due.webhook, due.project, due.version)
    returning due.*
)
select claimed.id as delivery, claimed.webhook, claimed.url, claimed.secret, claimed.attempts, e.organization,
    e.project, e.version, e.kind, e.aggregate, e.aggregate_version, e.type, e.schema, e.body, e.command, e.recorded_us
from claimed join psmp_events as e using (organization, project, version)
order by e.recorded_us, e.version
"""
_SETTLE: Final = f"""
update psmp_webhook_deliveries set state = $3, attempts = attempts + 1, due_us = $4,
    ended_us = case when $3 = 'waiting' then null else $5::bigint end,
    log = case when jsonb_array_length(log) >= {MOST_LOGGED} then log - 0 else log end || $6::jsonb
where organization = $1 and id = $2
"""  # noqa: S608  a constant
_DISABLE: Final = """
update psmp_webhooks set state = 'disabled', reason = $3 where organization = $1 and id = $2 and state = 'active'
"""
_FORGET: Final = f"""
delete from psmp_webhook_deliveries
where ended_us < (extract(epoch from now() - interval '{KEPT_DAYS} days') * 1000000)::bigint
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class PostgresDeliveryQueue:
    """The port `DeliveryQueue` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def claim(
        self, now_us: int, *, lease_us: int, per_webhook: int, sending: Mapping[tuple[str, str], int], most: int
    ) -> Sequence[Claimed]:
        """Messages that are due."""
        organizations, webhooks = [one for one, _ in sending], [one for _, one in sending]
        async with transaction(self.pool) as connection:
            await become_relay(connection)
            rows = await connection.fetch(
                _CLAIM, now_us, lease_us, per_webhook, organizations, webhooks, list(sending.values()), most
            )
        return [
            Claimed(
                row["delivery"],
                row["organization"],
                row["webhook"],
                row["url"],
                row["secret"],
                relayed(row),
                row["attempts"],
            )
            for row in rows
        ]

    async def settle(
        self, claimed: Claimed, attempt: Attempt, state: DeliveryState, *, due_us: int, disable: str = ""
    ) -> None:
        """Keep what came of it."""
        entry = json.dumps([asdict(attempt)])
        ended_us = attempt.at_us + attempt.duration_us
        async with transaction(self.pool) as connection:
            await become_relay(connection)
            await connection.execute(_SETTLE, claimed.organization, claimed.id, state.value, due_us, ended_us, entry)
            if disable:
                await connection.execute(_DISABLE, claimed.organization, claimed.webhook, disable)

    async def forget_old(self) -> None:
        """Delete what ended long ago."""
        async with transaction(self.pool) as connection:
            await become_relay(connection)
            await connection.execute(_FORGET)
