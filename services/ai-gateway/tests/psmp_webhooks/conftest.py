"""Webhooks with stores in memory, and events for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_ai_gateway.service.psmp.webhook_ports import Claimed
from metaqore_governance_core.canonical import canonical_plain
from metaqore_governance_core.psmp.artifact_events import Rejected
from metaqore_governance_core.psmp.event_codec import encode

SECRET = b"0123456789abcdef0123456789abcdef"


def relayed(version=1, *, event=None, organization="acme", project="garden"):
    stored = encode(event or Rejected("bob", 5, 1, "no"))
    of = Ref(Kind.ARTIFACT, "app")
    body = canonical_plain(stored.data)
    return Relayed(
        organization, project, version, of, 2, stored.name, stored.schema, body, "receipt-1", 1_700_000_000_000_000
    )


class PlainSecrets:
    """Keeps them as they are; the real ones are tried by themselves."""

    def seal(self, organization, webhook, secret):
        return f"{organization}/{webhook}/".encode() + secret

    def open(self, organization, webhook, sealed):
        assert sealed.startswith(f"{organization}/{webhook}/".encode())
        return sealed.removeprefix(f"{organization}/{webhook}/".encode())


class Queue:
    """Messages in memory; one that is settled as waiting waits until its time."""

    def __init__(self):
        self.waiting, self.settled, self.disabled, self.leased, self.claims = {}, [], {}, {}, []

    def add(self, *ids, webhook="webhook_1", url="https://example.com/hook", organization="acme"):
        for at, id_ in enumerate(ids):
            secret = PlainSecrets().seal(organization, webhook, SECRET)
            self.waiting[id_] = (0, Claimed(id_, organization, webhook, url, secret, relayed(at + 1), 0))

    async def claim(self, now_us, *, lease_us, per_webhook, sending, most):
        self.claims.append((dict(sending), most))
        found, counts = [], dict(sending)
        for id_, (due_us, one) in list(self.waiting.items()):
            place = (one.organization, one.webhook)
            free = counts.get(place, 0) < per_webhook and len(found) < most
            if due_us <= now_us and free and one.webhook not in self.disabled:
                counts[place] = counts.get(place, 0) + 1
                self.waiting[id_] = (now_us + lease_us, one)
                found.append(one)
        return found

    async def settle(self, claimed, attempt, state, *, due_us, disable=""):
        self.settled.append((claimed.id, attempt, state, due_us))
        del self.waiting[claimed.id]
        if state == "waiting":
            self.waiting[claimed.id] = (due_us, replace(claimed, attempts=claimed.attempts + 1))
        if disable:
            self.disabled[claimed.webhook] = disable


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def secrets_of():
    return PlainSecrets()


@pytest.fixture(name="relayed")
def _relayed():
    return relayed
