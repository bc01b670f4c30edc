"""Commands of one sender, a gate that can be told what to do, and what stands around them."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from metaqore_ai_gateway.domain.command_request import read_command
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.take_commands import CommandSubmission, TakeCommands
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.psmp.work import Work, WorkState

ANN = Caller("key_1", "acme", "ann", frozenset(DEFAULT_SCOPES))
SECRET, OTHERS = "mq_right", "mq_others"
CALLERS = {SECRET: ANN, OTHERS: replace(ANN, organization="globex")}
OPEN = {"name": "task.open", "title": "Plant"}


class Gate:
    """Does every command, and tells which. `faults` are raised first, one for each attempt of a command's key."""

    def __init__(self):
        self.given, self.done, self.faults = [], {}, {}
        self.running = self.most = 0
        self.held = None

    async def __call__(self, given):
        self.given.append(given)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.held is not None:
                await self.held.wait()
            await asyncio.sleep(0)
            faults = self.faults.get(given.command.name, [])
            if faults:
                raise faults.pop(0)
            return self.done.setdefault(given.key, self._answer(given))
        finally:
            self.running -= 1

    def _answer(self, given):
        number = len(self.done) + 1
        work = Work(WorkState.OPEN, f"task-{number}")
        known = Known(Ref(Kind.TASK, work.id), work.id, given.project or "default", 1, number, work)
        return Answer(f"receipt-{number}", f"token-{number}", known.project, number, (known,))


class Answers:
    def __init__(self):
        self.sent, self.faults = [], []

    async def send(self, answer, reply_key):
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append((answer, reply_key))


class Watch:
    def __init__(self):
        self.refusals, self.ended = [], []

    def refused(self, error):
        self.refusals.append(error.code)

    def answered(self, answer):
        self.ended.append((answer.name, answer.state))

    def processing(self, _traceparent):
        return nullcontext()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def keys():
    return SimpleNamespace(find=CALLERS.get)


@pytest.fixture
def elsewhere():
    """The authorization of another organization."""
    return f"Bearer {OTHERS}"


@pytest.fixture
def desk(gate, keys):
    """A door's inner half: `take` with everything around it."""
    answers, watch = Answers(), Watch()
    desk = SimpleNamespace(gate=gate, answers=answers, watch=watch, now_s=1000.0)
    desk.take = TakeCommands(keys=keys, gate=gate, answers=answers, watch=watch, clock_s=lambda: desk.now_s, limit=4)
    return desk


@pytest.fixture
def command():
    """A submission of the command `of` under the id `event`."""

    def make(event="1", of=OPEN, authorization=f"Bearer {SECRET}", **beside):
        raw = json.dumps({"command": of, **beside}).encode()
        return CommandSubmission(RequestName("shop", event), authorization, b"reply", read_command(raw), raw)

    return make
