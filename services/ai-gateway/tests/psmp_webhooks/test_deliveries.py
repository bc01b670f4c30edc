"""A message is sent until it is taken, ever more rarely, signed each time, and one webhook holds up no other."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import datetime

import pytest
import standardwebhooks.webhooks
from standardwebhooks.webhooks import Webhook as Verifier

from metaqore_ai_gateway.adapters.webhook_signing import WrappedSecrets, signed
from metaqore_ai_gateway.domain.webhook import MOST_ATTEMPTS, DeliveryState
from metaqore_ai_gateway.service.psmp import deliver_webhooks
from metaqore_ai_gateway.service.psmp.deliver_webhooks import DeliverWebhooks
from metaqore_ai_gateway.service.psmp.webhook_message import MAX_DATA_BYTES, message
from metaqore_ai_gateway.service.psmp.webhook_ports import Posted
from metaqore_governance_core.contracts.psmp import ProjectChanged
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_events import Rejected
from metaqore_mesh.objects.body_keys import BodyKeys

SECRET = b"0123456789abcdef0123456789abcdef"
HOUR_US = 3_600_000_000


class Network:
    """Answers what it is told to; the last answer again and again."""

    def __init__(self, *answers):
        self.answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.sent = []

    async def __call__(self, url, headers, body):
        self.sent.append((url, dict(headers), body))
        answer = next(self.answers)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return Posted(200)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self):
        self.us = 1_750_000_000_000_000

    def __call__(self):
        return self.us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def deliveries(queue, secrets_of, clock):
    return lambda network, **options: DeliverWebhooks(queue, network, signed, secrets_of, clock, **options)


async def sent_until(deliver, queue, clock, done):
    while not done():
        await deliver.once()
        await deliver.settled()
        clock.us += HOUR_US // 60
        assert clock.us < 1_750_000_000_000_000 + 72 * HOUR_US
    return queue


async def test_a_message_is_signed_and_says_what_happened(deliveries, queue, clock, monkeypatch):
    queue.add("delivery_1")
    network = Network(Posted(204))
    deliver = deliveries(network)
    await deliver.once()
    await deliver.settled()
    ((url, headers, body),) = network.sent
    assert url == "https://example.com/hook"
    assert headers["webhook-id"] == "delivery_1"
    assert headers["content-type"] == "application/json"

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(clock.us / 1e6, tz)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Then)
    told = Verifier(SECRET).verify(body, headers)
    assert (told["type"], told["timestamp"]) == ("artifact.Rejected", "2023-11-14T22:13:20Z")
    changed = ProjectChanged.model_validate(told["data"])
    assert (told["data"]["event_id"], changed.name, changed.by) == ("garden@1", "artifact.Rejected", "bob")
    ((id_, attempt, state, _),) = queue.settled
    assert (id_, attempt.status, attempt.error, state) == ("delivery_1", 204, "", DeliveryState.DELIVERED)


def test_an_event_that_is_too_large_goes_without_its_data(relayed):
    told = json.loads(message(relayed(event=Rejected("bob", 5, 1, "n" * MAX_DATA_BYTES))))
    assert (told["data"]["data"], told["data"]["by"]) == ({}, "bob")


async def test_what_is_not_taken_is_sent_again_for_about_a_day_and_then_no_more(deliveries, queue, clock):
    queue.add("delivery_1")
    network = Network(Posted(500), Posted(error="target_unreachable"), OSError(), Posted(301))
    began = clock.us
    await sent_until(deliveries(network), queue, clock, lambda: not queue.waiting)
    assert len(network.sent) == MOST_ATTEMPTS
    assert {headers["webhook-id"] for _, headers, _ in network.sent} == {"delivery_1"}
    errors = [attempt.error for _, attempt, _, _ in queue.settled]
    assert errors[:4] == ["refused", "target_unreachable", "internal", "redirected"]
    assert [state for *_, state, _ in queue.settled] == ["waiting"] * (MOST_ATTEMPTS - 1) + ["failed"]
    assert 18 * HOUR_US < clock.us - began < 34 * HOUR_US


async def test_it_is_over_once_it_is_taken(deliveries, queue, clock):
    queue.add("delivery_1")
    network = Network(Posted(503), Posted(429), Posted(200))
    await sent_until(deliveries(network), queue, clock, lambda: not queue.waiting)
    assert [attempt.status for _, attempt, _, _ in queue.settled] == [503, 429, 200]
    assert queue.settled[-1][2] == "delivered"


async def test_who_asks_for_time_is_given_it(deliveries, queue, clock):
    queue.add("delivery_1")
    await deliveries(Network(Posted(429, retry_after_s=600.0))).once()
    await asyncio.sleep(0.01)
    assert queue.waiting["delivery_1"][0] == clock.us + 600_000_000


async def test_whoever_says_it_is_gone_is_sent_nothing_more(deliveries, queue):
    queue.add("delivery_1")
    deliver = deliveries(Network(Posted(410)))
    await deliver.once()
    await deliver.settled()
    assert queue.disabled == {"webhook_1": "gone"}
    assert queue.settled[0][2] == "failed"


async def test_a_slow_webhook_holds_up_no_other(deliveries, queue):
    release = asyncio.Event()
    queue.add(*(f"slow_{at}" for at in range(10)), webhook="slow")
    queue.add(*(f"quick_{at}" for at in range(3)), webhook="quick")
    slow = [release] * deliver_webhooks.PER_WEBHOOK
    deliver = deliveries(Network(*slow, Posted(200)), at_once=16, interval_s=0.01)
    running = asyncio.create_task(deliver.run())
    async with asyncio.timeout(60):
        while len(queue.settled) < 3:
            await asyncio.sleep(0.01)
        assert {id_[:5] for id_, *_ in queue.settled} == {"quick"}
        assert {("acme", "slow"): deliver_webhooks.PER_WEBHOOK} in [sending for sending, _ in queue.claims]
        release.set()
        while queue.waiting:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_only_so_many_are_sent_at_once(deliveries, queue):
    release = asyncio.Event()
    for at in range(10):
        queue.add(f"delivery_{at}", webhook=f"webhook_{at}")
    deliver = deliveries(Network(*[release] * 10), at_once=3)
    assert await deliver.once()
    assert not await deliver.once()
    assert queue.claims == [({}, 3)]
    release.set()
    await deliver.settled()
    assert len(queue.settled) == 3


async def test_a_process_that_ends_leaves_what_it_sends_to_the_next(deliveries, queue, clock):
    queue.add("delivery_1")
    running = asyncio.create_task(deliveries(Network(asyncio.Event()), interval_s=0.01).run())
    async with asyncio.timeout(60):
        while queue.waiting["delivery_1"][0] == 0:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert queue.settled == []
    deliver = deliveries(Network(Posted(200)))
    assert not await deliver.once()
    clock.us += deliver_webhooks.LEASE_US
    assert await deliver.once()
    await deliver.settled()
    assert queue.settled[0][2] == "delivered"


async def test_it_outlives_a_database_that_is_away(deliveries, queue):
    queue.add("delivery_1")
    claim, failures = queue.claim, [OSError(), MetaQoreError("database_unavailable", "")]

    async def away(*rest, **named):
        if failures:
            raise failures.pop()
        return await claim(*rest, **named)

    queue.claim = away
    running = asyncio.create_task(deliveries(Network(Posted(200)), interval_s=0.01).run())
    async with asyncio.timeout(60):
        while queue.waiting:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_secret_that_does_not_open_is_an_attempt_that_failed(deliveries, queue):
    queue.add("delivery_1")
    due_us, claimed = queue.waiting["delivery_1"]
    keys = WrappedSecrets(BodyKeys(b"k" * 32))
    deliver = deliveries(Network(Posted(200)))
    deliver.sealed = keys
    await deliver.once()
    await deliver.settled()
    assert queue.settled[0][1].error == "webhook_secret_unreadable"
    assert due_us == 0
    assert claimed.id == "delivery_1"


def test_a_secret_opens_for_its_webhook_alone():
    keys = WrappedSecrets(BodyKeys(b"k" * 32))
    sealed = keys.seal("acme", "webhook_1", SECRET)
    assert SECRET not in sealed
    assert keys.open("acme", "webhook_1", sealed) == SECRET
    for organization, webhook in (("acme", "webhook_2"), ("evil", "webhook_1")):
        with pytest.raises(MetaQoreError):
            keys.open(organization, webhook, sealed)
