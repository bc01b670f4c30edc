"""Webhooks as they are kept: each organization behind its wall, each event once for each webhook that wants it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import asyncpg
import pytest
from looking import until
from standardwebhooks.webhooks import Webhook as Verifier

from metaqore_ai_gateway.adapters.psmp import webhook_fan_out
from metaqore_ai_gateway.adapters.psmp.relay import EventRelay
from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay, of_organization
from metaqore_ai_gateway.adapters.psmp.webhook_fan_out import CONSUMER, WebhookFanOut
from metaqore_ai_gateway.adapters.psmp.webhook_queue import MOST_LOGGED, PostgresDeliveryQueue
from metaqore_ai_gateway.adapters.psmp.webhook_roles import prepare_webhook_roles
from metaqore_ai_gateway.adapters.psmp.webhook_store import PostgresWebhookStore
from metaqore_ai_gateway.adapters.webhook_post import WebhookPost
from metaqore_ai_gateway.adapters.webhook_signing import WrappedSecrets, signed
from metaqore_ai_gateway.domain.webhook import Attempt, DeliveryState, Webhook, WebhookState
from metaqore_ai_gateway.service.psmp.deliver_webhooks import DeliverWebhooks
from metaqore_ai_gateway.service.psmp.ids import artifact_id, delivery_id
from metaqore_mesh.objects.body_keys import BodyKeys

pytestmark = pytest.mark.slow

LEASE_US = 60_000_000
HELD_BACK = "select exists(select from psmp_events where transaction_id >= pg_snapshot_xmin(pg_current_snapshot()))"
HOOK = Webhook("webhook_1", "acme", "https://example.com/", secret=b"sealed", by="ann")


def now_us():
    return time.time_ns() // 1000


@pytest.fixture
async def hooks(pool):
    await prepare_webhook_roles(pool)
    return PostgresWebhookStore(pool)


@pytest.fixture
def queue(pool):
    return PostgresDeliveryQueue(pool)


@pytest.fixture
def relay(pool, psmp_url):
    """Lets everything that happened so far become messages."""

    async def all_may_be_given():
        async with pool.acquire() as connection, connection.transaction():
            await become_relay(connection)
            return not await connection.fetchval(HELD_BACK)

    async def run(versions):
        await until(all_may_be_given)  # so that they are, at once: also other databases' transactions hold them back
        fan_out, seen = WebhookFanOut(pool, now_us), []

        async def give(events):
            await fan_out(events)
            seen.extend(events)

        running = asyncio.create_task(EventRelay(psmp_url, CONSUMER, give, "test", interval_s=0.05).run())
        await until(lambda: len(seen) >= versions, seen=lambda: [one.id for one in seen])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    return run


async def claimed(queue, *, at_us=None, sending=None, per_webhook=100, most=100):
    return await queue.claim(
        at_us or now_us(), lease_us=LEASE_US, per_webhook=per_webhook, sending=sending or {}, most=most
    )


async def test_a_webhook_is_kept_found_listed_and_deleted(hooks):
    made = await hooks.create(
        replace(HOOK, projects=("garden",), aggregate="artifact", names=("artifact.Activated",), description="d"), 10
    )
    assert made.created_us > 1_700_000_000_000_000
    assert made == replace(
        HOOK,
        projects=("garden",),
        aggregate="artifact",
        names=("artifact.Activated",),
        description="d",
        created_us=made.created_us,
    )
    assert await hooks.find("acme", "webhook_1") == made
    second = await hooks.create(replace(HOOK, id="webhook_2"), 2)
    assert await hooks.create(replace(HOOK, id="webhook_3"), 2) is None
    assert await hooks.page("acme", "", 10) == [made, second]
    assert await hooks.page("acme", "webhook_1", 10) == [second]
    assert await hooks.delete("acme", "webhook_1")
    assert not await hooks.delete("acme", "webhook_1")
    assert await hooks.find("acme", "webhook_1") is None


async def test_each_event_waits_once_for_each_webhook_that_wants_it(hooks, queue, relay, team, team_of):
    other = team_of(organization="other")
    await other.create()
    await team.propose("before")
    mine = artifact_id("acme", "garden", "app")
    wanted = {
        "all": {},
        "drafts": {"names": ("artifact.Drafted",)},
        "tasks": {"aggregate": "task"},
        "elsewhere": {"projects": ("field",)},
        "app": {"projects": ("garden",), "aggregate_id": mine},
    }
    for name, fields in wanted.items():
        await hooks.create(replace(HOOK, id=name, **fields), 10)
    await hooks.create(replace(HOOK, id="foreign", organization="other"), 10)
    await team.propose("app")
    await team.propose("lib")
    await relay(8)
    await relay(0)
    found = await claimed(queue)
    versions = {}
    for one in found:
        versions.setdefault(one.webhook, []).append(one.event.version)
        assert one.event.organization == "acme"
        assert one.secret == b"sealed"
    assert versions == {"all": [4, 5, 6, 7], "drafts": [4, 6], "app": [4, 5]}
    assert found[0].id == delivery_id("acme", found[0].webhook, "garden", found[0].event.version)
    assert found[0].event.name == "artifact.Drafted"


async def test_what_comes_again_from_the_relay_waits_once(hooks, queue, relay, team, pool):
    await hooks.create(HOOK, 10)
    await team.propose("app")
    await relay(3)
    async with pool.acquire() as connection, connection.transaction():
        await become_relay(connection)
        await connection.execute("update psmp_relay_positions set transaction_id = '0', position = 0")
    await relay(3)
    assert len(await claimed(queue)) == 2


async def test_a_message_is_given_to_one_at_a_time_and_comes_back_when_that_one_is_gone(hooks, queue, relay, team):
    await hooks.create(HOOK, 10)
    await team.propose("app")
    await relay(3)
    now = now_us()
    lots = await asyncio.gather(*(claimed(queue, at_us=now, most=1) for _ in range(4)))
    assert sorted(one.event.version for lot in lots for one in lot) == [2, 3]
    assert await claimed(queue, at_us=now + LEASE_US - 1) == []
    assert len(await claimed(queue, at_us=now + LEASE_US)) == 2


async def test_claims_are_bounded_for_each_webhook_and_pass_over_who_is_busy(hooks, queue, relay, team):
    for name in ("a", "b"):
        await hooks.create(replace(HOOK, id=name), 10)
    await asyncio.gather(*(team.propose(f"p{at}") for at in range(4)))
    await relay(9)
    first = await claimed(queue, per_webhook=2)
    assert sorted(one.webhook for one in first) == ["a", "a", "b", "b"]
    rest = await claimed(queue, sending={("acme", "a"): 10}, per_webhook=10)
    assert {one.webhook for one in rest} == {"b"}
    assert len(rest) == 6
    assert len(await claimed(queue, most=1, per_webhook=10)) == 1


async def test_no_more_are_given_than_may_be_sent_to_one_webhook_at_once(hooks, queue, relay, team):
    await hooks.create(HOOK, 10)
    await asyncio.gather(*(team.propose(f"p{at}") for at in range(4)))
    await relay(9)
    assert len(await claimed(queue, sending={("acme", "webhook_1"): 3}, per_webhook=4)) == 1


async def test_many_slow_webhooks_of_one_organization_hold_up_no_other(hooks, queue, relay, team, team_of):
    other = team_of(organization="other")
    await other.create()
    for at in range(5):
        await hooks.create(replace(HOOK, id=f"slow_{at}"), 10)
    await hooks.create(replace(HOOK, id="quick", organization="other"), 10)
    await asyncio.gather(*(team.propose(f"p{at}") for at in range(4)))
    await other.propose("app")
    await relay(12)
    first = await claimed(queue, per_webhook=4, most=4)
    assert sorted(one.organization for one in first) == ["acme", "acme", "other", "other"]
    await other.propose("lib")
    await relay(2)
    sending = {("acme", "slow_0"): 2, ("other", "quick"): 1}
    assert [one.organization for one in await claimed(queue, per_webhook=4, sending=sending, most=1)] == ["other"]


async def test_what_came_of_it_is_logged_and_decides_what_is_next(hooks, queue, relay, team):
    await hooks.create(HOOK, 10)
    await team.propose("app")
    await relay(3)
    first, second = await claimed(queue)
    now = now_us()
    await queue.settle(first, Attempt(now, 5, 500, "refused"), DeliveryState.WAITING, due_us=now + 10)
    await queue.settle(second, Attempt(now, 7, 200), DeliveryState.DELIVERED, due_us=now)
    (again,) = await claimed(queue, at_us=now + 10)
    assert (again.id, again.attempts) == (first.id, 1)
    await queue.settle(again, Attempt(now + 20, 6, None, "target_timeout"), DeliveryState.FAILED, due_us=now)
    assert await claimed(queue, at_us=now + 10**12) == []
    log = await hooks.deliveries("acme", "webhook_1", state=None, before=None, size=10)
    states = {one.id: one for one in log}
    assert states[first.id].attempts == (Attempt(now, 5, 500, "refused"), Attempt(now + 20, 6, None, "target_timeout"))
    assert (states[first.id].state, states[first.id].ended_us) == (DeliveryState.FAILED, now + 26)
    assert (states[second.id].state, states[second.id].name) == (DeliveryState.DELIVERED, "artifact.Proposed")
    failed = await hooks.deliveries("acme", "webhook_1", state=DeliveryState.FAILED, before=None, size=10)
    assert [one.id for one in failed] == [first.id]
    page = await hooks.deliveries("acme", "webhook_1", state=None, before=None, size=1)
    rest = await hooks.deliveries("acme", "webhook_1", state=None, before=(page[0].created_us, page[0].id), size=10)
    assert {page[0].id, rest[0].id} == {first.id, second.id}


async def test_only_the_last_attempts_are_kept(hooks, queue, relay, team):
    await hooks.create(replace(HOOK, names=("artifact.Drafted",)), 10)
    await team.propose("app")
    await relay(3)
    (one,) = await claimed(queue)
    for at in range(MOST_LOGGED + 5):
        await queue.settle(one, Attempt(at, 1, 500, "refused"), DeliveryState.WAITING, due_us=at)
    (kept,) = await hooks.deliveries("acme", "webhook_1", state=None, before=None, size=10)
    assert [attempt.at_us for attempt in kept.attempts] == list(range(5, MOST_LOGGED + 5))
    assert kept.attempt_count == MOST_LOGGED + 5


async def test_what_is_sent_again_is_sent_from_the_first_attempt_on_and_enables(hooks, queue, relay, team):
    await hooks.create(HOOK, 10)
    await team.propose("app")
    await relay(3)
    first, second = await claimed(queue)
    now = now_us()
    await queue.settle(first, Attempt(now, 5, 410, "refused"), DeliveryState.FAILED, due_us=now, disable="gone")
    disabled = await hooks.find("acme", "webhook_1")
    assert (disabled.state, disabled.reason) == (WebhookState.DISABLED, "gone")
    assert await claimed(queue, at_us=now + LEASE_US * 2) == []
    await team.propose("unseen")
    await relay(2)
    found = await hooks.find_delivery("acme", "webhook_1", first.id)
    await hooks.send_again("acme", "webhook_1", [("garden", found.version, found.name), ("garden", 1, "x")], now)
    assert (await hooks.find("acme", "webhook_1")).state is WebhookState.ACTIVE
    again = await claimed(queue, at_us=now + 1)
    assert sorted((one.event.version, one.attempts) for one in again) == [(1, 0), (first.event.version, 0)]
    assert await hooks.find_delivery("acme", "webhook_1", "delivery_x") is None
    assert second.id not in {one.id for one in again}
    await hooks.send_again("acme", "webhook_1", [], now)


async def test_a_webhook_that_never_takes_anything_is_disabled(hooks, queue, relay, team, monkeypatch):
    monkeypatch.setattr(webhook_fan_out, "MOST_WAITING", 3)
    await hooks.create(HOOK, 10)
    await hooks.create(replace(HOOK, id="narrow", names=("artifact.Activated",)), 10)
    await asyncio.gather(*(team.propose(f"p{at}") for at in range(4)))
    await relay(9)
    behind, narrow = await hooks.find("acme", "webhook_1"), await hooks.find("acme", "narrow")
    assert (behind.state, behind.reason) == (WebhookState.DISABLED, "too_many_waiting")
    assert narrow.state is WebhookState.ACTIVE
    assert await claimed(queue) == []


async def test_a_webhook_that_is_mended_is_not_disabled_by_what_waited_before(hooks, queue, relay, team, monkeypatch):
    monkeypatch.setattr(webhook_fan_out, "MOST_WAITING", 3)
    await hooks.create(HOOK, 10)
    await asyncio.gather(*(team.propose(f"p{at}") for at in range(4)))
    await relay(9)
    for _ in range(2):  # in parts, the second while it is active
        await hooks.send_again("acme", "webhook_1", [("garden", 1, "project.Created")], now_us())
        await team.propose("more")
        await relay(2)
        assert (await hooks.find("acme", "webhook_1")).state is WebhookState.ACTIVE
    assert len(await claimed(queue)) == 13
    await team.propose("still-not-taken")
    await relay(2)
    assert (await hooks.find("acme", "webhook_1")).state is WebhookState.DISABLED


async def test_deliveries_go_with_their_webhook_and_when_they_are_old(hooks, queue, relay, team):
    await hooks.create(HOOK, 10)
    await hooks.create(replace(HOOK, id="webhook_2"), 10)
    await team.propose("app")
    await relay(3)
    now = now_us()
    of_first = [one for one in await claimed(queue) if one.webhook == "webhook_1"]
    long_ago = now - 31 * 24 * 3_600_000_000
    await queue.settle(of_first[0], Attempt(long_ago, 1, 200), DeliveryState.DELIVERED, due_us=now)
    await queue.forget_old()
    left = await hooks.deliveries("acme", "webhook_1", state=None, before=None, size=10)
    assert [one.id for one in left] == [of_first[1].id]
    await hooks.delete("acme", "webhook_1")
    assert {one.webhook for one in await claimed(queue, at_us=now + LEASE_US * 2)} == {"webhook_2"}


async def test_no_organization_reaches_over_to_another(hooks, relay, team, pool):
    await hooks.create(HOOK, 10)
    await team.propose("app")
    await relay(3)
    async with of_organization(pool, "evil") as connection:
        for table in ("psmp_webhooks", "psmp_webhook_deliveries"):
            assert await connection.fetchval(f"select count(*) from {table}") == 0  # noqa: S608 - constants only
            assert await connection.execute(f"delete from {table}") == "DELETE 0"  # noqa: S608 - constants only
        assert await connection.execute("update psmp_webhooks set url = 'https://evil.example/'") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await hooks.create(replace(HOOK, id="webhook_9", organization=""), 10)
    async with of_organization(pool, "evil") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "insert into psmp_webhook_deliveries"
                " (organization, webhook, project, version, id, name, due_us, made_us)"
                " values ('acme', 'webhook_1', 'garden', 9, 'x', 'x', 0, 0)"
            )


async def test_what_happens_reaches_a_receiver_that_can_verify_it(hooks, queue, relay, team):
    taken, statuses = [], iter((b"500 no", b"200 ok"))

    async def receive(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().splitlines()[1:]
        headers = dict(line.split(": ", 1) for line in lines if line)
        taken.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % next(statuses))
        writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sealed, secret = WrappedSecrets(BodyKeys(b"k" * 32)), b"s" * 32
    url = f"http://127.0.0.1:{port}/hook"
    await hooks.create(
        replace(HOOK, url=url, names=("artifact.Proposed",), secret=sealed.seal("acme", "webhook_1", secret)),
        10,
    )
    await team.propose("app")
    await relay(3)
    ahead_us = [0]
    post = WebhookPost((f"127.0.0.1:{port}",), "metaqore-webhooks/1")
    deliver = DeliverWebhooks(queue, post, signed, sealed, lambda: now_us() + ahead_us[0])
    async with server:
        for _ in range(2):
            assert await deliver.once()
            await deliver.settled()
            ahead_us[0] += 10_000_000
        assert not await deliver.once()
    told = [json.loads(body) for _, body in taken]
    assert told[0] == told[1]
    assert (told[0]["type"], told[0]["data"]["event_id"]) == ("artifact.Proposed", "garden@3")
    assert len({headers["webhook-id"] for headers, _ in taken}) == 1
    for headers, body in taken:
        assert Verifier(secret).verify(body, headers) == told[0]
    (log,) = await hooks.deliveries("acme", "webhook_1", state=None, before=None, size=10)
    assert [attempt.status for attempt in log.attempts] == [500, 200]
    assert log.state is DeliveryState.DELIVERED


async def test_the_relay_changes_no_webhook_but_to_disable_it(hooks, pool):
    await hooks.create(HOOK, 10)
    for statement in (
        "update psmp_webhooks set url = 'https://evil.example/'",
        "update psmp_webhooks set state = 'active'",
        "delete from psmp_webhooks",
    ):
        async with pool.acquire() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):  # noqa: PT012 - inside a transaction
                async with connection.transaction():
                    await become_relay(connection)
                    await connection.execute(statement)
