"""A governed task among fakes: a spool in memory, providers that follow a script."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace

import pytest

from metaqore_ai_gateway.domain.chat import Envelope, parse_chat
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.domain.rulebook import Route, Rulebook
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.govern_task import GovernTask
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.route_call import RouteCall
from metaqore_governance_core.allowpaths import AllowpathMatrix, Effect, Rule
from metaqore_governance_core.decision import make_policy
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Door
from metaqore_governance_core.receipts import Receipt
from metaqore_governance_core.records import Numbers
from metaqore_governance_core.residency import Locality, residency_policy
from metaqore_governance_core.scanner import NOTHING_FOUND
from metaqore_mesh.keys import DigestKeys

ALICE = Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES))
ALLOW_ALL = Rule(Effect.ALLOW, "*", "model.*", "generate")


@dataclass
class MemorySpool:
    """Keeps records; `hold` stops them from becoming durable until it is set, `error` fails them."""

    records: list = field(default_factory=list)
    hold: asyncio.Event | None = None
    error: Exception | None = None

    def append(self, organization, build):
        record = build(Numbers(len(self.records) + 1, len(self.records) + 1, "writer-1"))
        assert record.organization == organization
        if self.error is not None and self.hold is None:
            raise self.error
        self.records.append(record)
        return self._durable(len(self.records))

    async def _durable(self, sequence):
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        leaf = hashlib.sha256(b"%d" % sequence).digest()
        return SimpleNamespace(
            sequence=sequence, leaf_hash=leaf, receipt=lambda *names: _receipt(sequence, leaf, *names)
        )


def _receipt(sequence, leaf, receipt_id, organization, task):
    head = GroupHead(1, sequence, "k" * 16, leaf.hex(), 1, "writer-1")
    return Receipt(head, receipt_id, leaf.hex(), organization, (), sequence, "00" * 64, task, "writer-1")


@dataclass
class ScriptedProvider:
    """Yields what its script says: bytes, a `Usage`, an exception to raise, or an event to wait for."""

    name: str
    script: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    closed_early: int = 0

    async def generate(self, call):
        self.calls.append(call)
        script = self.script.pop(0) if self.script and isinstance(self.script[0], list) else self.script
        try:
            for step in script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.closed_early += 1
            raise

    async def close(self):
        pass


@dataclass
class Told:
    """An observer that remembers."""

    events: list = field(default_factory=list)

    def observe(self, caller, task):  # noqa: ARG002 - the port's
        self.traceparent = task.envelope.traceparent
        return self

    def decided(self, decision, receipt):  # noqa: ARG002 - the port's
        self.events.append(("decided", decision.verdict))

    def answered(self):
        self.events.append(("answered", None))

    def concluded(self, outcome):
        self.events.append(("concluded", outcome.state))

    def abandoned(self, error):
        self.events.append(("abandoned", getattr(error, "code", type(error).__name__)))


class Clean:
    """A scanner that finds `counts`, or raises."""

    def __init__(self):
        self.found = NOTHING_FOUND
        self.seen = []

    def scan(self, text):
        self.seen.append(text)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


ANSWER = [b'{"choices":[]}', Usage("stop", 3, 4)]


@dataclass
class World:
    """A gateway's core with everything that a test may turn."""

    spool: MemorySpool = field(default_factory=MemorySpool)
    scanner: Clean = field(default_factory=Clean)
    told: Told = field(default_factory=Told)
    local: ScriptedProvider = field(default_factory=lambda: ScriptedProvider("local", list(ANSWER)))
    cloud: ScriptedProvider = field(default_factory=lambda: ScriptedProvider("cloud", list(ANSWER)))
    policy: str = "default"
    rules: tuple = (ALLOW_ALL,)
    labels: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)
    routes: tuple = (Route("local", "m", Locality.LOCAL), Route("cloud", "big-m", Locality.CLOUD))
    admission: Admission = field(default_factory=lambda: Admission(10))
    clock: count = field(default_factory=lambda: count(1_000_000, 1000))
    ids: count = field(default_factory=lambda: count(1))

    @property
    def govern(self):
        policy = make_policy(residency_policy(self.policy), AllowpathMatrix.compile(self.rules), self.labels)
        now_us = lambda: next(self.clock)  # noqa: E731 - bound to what is drawn here
        return GovernTask(
            rulebook=Rulebook(policy, {"m": self.routes}, "m"),
            scanner=self.scanner,
            digests=DigestKeys(b"k" * 32),
            record_decision=RecordDecision(self.spool, now_us),
            record_outcome=RecordOutcome(self.spool, now_us),
            route_call=RouteCall({"local": self.local, "cloud": self.cloud}),
            admission=self.admission,
            observer=self.told,
            project_names=self,
            now_us=now_us,
            new_id=lambda: f"receipt-{next(self.ids)}",
        )

    async def name_of(self, organization, project):
        return self.names.get((organization, project))

    alice = ALICE

    @property
    def answer(self):
        return list(ANSWER)

    async def run(self, task=None, **more):
        return [event async for event in self.govern(ALICE, task or self.chat(), **more)]

    def chat(self, body=None, **envelope):
        return chat(body, **envelope)


def chat(body=None, door=Door.REST, **envelope):
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **(body or {})}
    made = Envelope(**{"id": "task-1", "door": door, "deadline_s": 30.0, **envelope})
    return parse_chat(json.dumps(body).encode(), made)


@pytest.fixture
async def world():
    return World()
