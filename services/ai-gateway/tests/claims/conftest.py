"""A gateway in memory whose every durable step can be the last of its life."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace

import pytest
from no_names import NoNames

from metaqore_ai_gateway.domain.claim import ClaimState, Origin, Standing
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.domain.rulebook import Route, Rulebook
from metaqore_ai_gateway.domain.task_request import TaskDefaults, read_task
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.claim_ports import TaskHistory
from metaqore_ai_gateway.service.govern_task import GovernTask
from metaqore_ai_gateway.service.outcome_gate import OutcomeGate
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.resume_claim import ResumeClaim
from metaqore_ai_gateway.service.route_call import RouteCall
from metaqore_ai_gateway.service.run_claim import RunClaim
from metaqore_ai_gateway.service.take_tasks import Submission, TakeTasks
from metaqore_governance_core.allowpaths import AllowpathMatrix, Effect, Rule
from metaqore_governance_core.decision import make_policy
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.receipts import Receipt
from metaqore_governance_core.records import DecisionRecord
from metaqore_governance_core.residency import Locality, residency_policy
from metaqore_governance_core.scanner import NOTHING_FOUND, Findings
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.keys import DigestKeys

WRITER = "writer-1"
SECRET = "mq_right"
ALICE = Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES))
DEFAULTS = TaskDefaults(model="m", deadline_s=30.0, longest_deadline_s=60.0)
ALLOWED = Rule(Effect.ALLOW, "*", "model.*", "generate")


@dataclass
class Durable:
    """What outlives a crash."""

    records: list = field(default_factory=list)
    claims: dict[str, Standing] = field(default_factory=dict)
    results: list = field(default_factory=list)
    calls: int = 0
    acknowledged: bool = False


@dataclass
class Life:
    """One life of the process: it ends at step `last`, before the step's effect or right after it."""

    last: int | None = None
    steps: int = 0
    dead: asyncio.Event = field(default_factory=asyncio.Event)
    names: list[str] = field(default_factory=list)
    events: dict = field(default_factory=dict)
    hang: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, name, then):
        self.events[name] = then

    async def step(self, name, effect=lambda: None):
        await self.point(f"before {name}")
        done = effect()
        await self.point(f"after {name}")
        return done

    async def point(self, name):
        self.names.append(name)
        self.events.pop(name, lambda: None)()
        if self.steps == self.last:
            self.dead.set()
        if self.dead.is_set() or self.hang.is_set():
            await asyncio.Event().wait()
        self.steps += 1


def unavailable(code):
    return MetaQoreError(code, "away", kind=ErrorKind.UNAVAILABLE, retryable=True)


class FakeAppended:
    def __init__(self, record):
        self.sequence = record.sequence
        self.leaf_hash = bytes([record.sequence])

    def receipt(self, receipt_id, organization, task):
        head = GroupHead(1, self.sequence, "k", "00", 1, WRITER)
        return Receipt(head, receipt_id, self.leaf_hash.hex(), organization, (), self.sequence, "00", task, WRITER)


class FakeSpool:
    def __init__(self, durable: Durable, life: Life):
        self.durable, self.life, self.state, self.faults = durable, life, WriterState(), []
        for record in durable.records:
            self.state.apply(record, FakeAppended(record).leaf_hash.hex())

    @property
    def open(self):
        return self.state.open

    def append(self, organization, build):
        if self.faults:
            raise self.faults.pop(0)
        if self.life.dead.is_set():
            raise unavailable("spool_failed")
        record = build(self.state.numbers(WRITER, organization))
        appended = FakeAppended(record)
        self.state.apply(record, appended.leaf_hash.hex())
        return asyncio.ensure_future(self._durable(record, appended))

    async def _durable(self, record, appended):
        await self.life.step(f"recording the {record.kind}", lambda: self.durable.records.append(record))
        return appended

    async def recorded(self, organization, task):
        await self.life.point("looking the task up")
        found = TaskHistory()
        for record in self.durable.records:
            if record.task == task and isinstance(record, DecisionRecord):
                found = replace(found, decision=self.state.open.get(task))
            elif record.task == task:
                ended = Outcome(
                    task, organization, record.receipt, record.decision, TaskState(record.state), record.attempts, 1
                )
                found = replace(found, outcome=ended)
        return found

    async def receipt_token(self, _task):
        return "token again"


class FakeStore:
    def __init__(self, durable: Durable, life: Life):
        self.claims, self.life = durable.claims, life

    async def claim(self, claims):
        return await self.life.step("claiming", lambda: [self._claim(claim) for claim in claims])

    def _claim(self, claim):
        for standing in self.claims.values():
            if standing.origin == claim.origin:
                return standing
        self.claims[claim.task] = Standing(
            claim.origin, claim.task, WRITER, ClaimState.CLAIMED, claim.caller, claim.reply_key, 1, claim.kept
        )
        return None

    async def _set(self, name, task, only_if, **changes):
        def effect():
            if self.claims[task].state is only_if:
                self.claims[task] = replace(self.claims[task], **changes)

        await self.life.step(name, effect)

    async def conclude(self, task, result, outcome):
        changes = {"state": ClaimState.CONCLUDED, "kept": None, "result": result, "outcome": outcome}
        await self._set("storing the result", task, ClaimState.CLAIMED, **changes)

    async def finish(self, task):
        await self._set("finishing", task, ClaimState.CONCLUDED, state=ClaimState.DONE, outcome=None)

    async def settled(self):
        await self.life.point("settling")

    async def count_attempt(self, task):
        attempts = self.claims[task].attempts + 1
        await self._set("counting the attempt", task, ClaimState.CLAIMED, attempts=attempts)
        return attempts

    async def find(self, task):
        await self.life.point("finding the claim")
        return self.claims[task]

    async def unfinished(self):
        await self.life.point("listing what is unfinished")
        return [standing for standing in self.claims.values() if standing.state is not ClaimState.DONE]


class FakeResults:
    def __init__(self, durable: Durable, life: Life):
        self.durable, self.life, self.faults = durable, life, []

    async def send(self, result, reply_key):
        if self.faults:
            raise self.faults.pop(0)
        await self.life.step("sending the result", lambda: self.durable.results.append((result, reply_key)))


class FakeProvider:
    name = "local"

    def __init__(self, durable: Durable, life: Life, error=None):
        self.durable, self.life, self.error = durable, life, error

    async def generate(self, _call):
        def effect():
            self.durable.calls += 1

        await self.life.step("calling the model", effect)
        if self.error:
            raise self.error
        yield json.dumps({"choices": [{"message": {"role": "assistant", "content": "hello"}}]}).encode()
        yield Usage("stop", 3, 4)


class FakeScanner:
    def scan(self, text):
        if "BREAK" in text:
            raise RuntimeError
        return Findings({"credential.aws_access_key": 1}) if "AKIA" in text else NOTHING_FOUND


class Quiet:
    traceparent = None

    def observe(self, *_):
        return self

    def decided(self, decision, receipt): ...

    def answered(self): ...

    def concluded(self, outcome): ...

    def abandoned(self, error): ...


class World:
    """One task on the bus, and as many lives of the gateway as it takes."""

    def __init__(self, value=b'{"prompt":"hi"}', provider_error=None, *, scopes=DEFAULT_SCOPES, models=("m",)):
        self.value = value
        self.provider_error = provider_error
        self.durable = Durable()
        self.rules = (ALLOWED,)
        self.models = models
        self.alice = replace(ALICE, scopes=frozenset(scopes))
        self.stores = []
        self.refused = []
        self._ids = count(1)

    def new_id(self):
        return f"id-{next(self._ids)}"

    def rulebook(self):
        policy = make_policy(residency_policy("default"), AllowpathMatrix.compile(self.rules))
        return Rulebook(policy, {model: (Route("local", model, Locality.LOCAL),) for model in self.models}, "m")

    def forget_results(self):
        self.durable.claims = {task: replace(claim, result=None) for task, claim in self.durable.claims.items()}
        self.stores[-1].claims = self.durable.claims

    def claimed_by(self, writer):
        submission = self.submission()
        origin = Origin("org_1", submission.request.source, submission.request.id)
        task = submission.task.id
        self.durable.claims[task] = Standing(origin, task, writer, ClaimState.CLAIMED, self.alice, b"reply", 1, None)

    def gateway(self, life: Life):
        spool, store = FakeSpool(self.durable, life), FakeStore(self.durable, life)
        self.stores.append(store)
        results = FakeResults(self.durable, life)
        clock = count(1_000_000)
        record_outcome = gate = OutcomeGate(RecordOutcome(spool, lambda: next(clock)))
        rulebook = self.rulebook()
        govern = GovernTask(
            rulebook=rulebook,
            scanner=FakeScanner(),
            digests=DigestKeys(b"k" * 32),
            record_decision=RecordDecision(spool, lambda: next(clock)),
            record_outcome=record_outcome,
            route_call=RouteCall({"local": FakeProvider(self.durable, life, self.provider_error)}),
            admission=Admission(100),
            observer=Quiet(),
            project_names=NoNames(),
            now_us=lambda: next(clock),
            new_id=self.new_id,
        )
        run = RunClaim(govern, record_outcome, store, results)
        resume = ResumeClaim(run, store, spool, record_outcome, rulebook, lambda: next(clock))
        take = TakeTasks(
            keys=SimpleNamespace(find=lambda secret: self.alice if secret == SECRET else None),
            rulebook=rulebook,
            examine=govern.examine,
            store=store,
            results=results,
            histories=spool,
            run=run,
            resume=resume,
            gate=gate,
            watch=SimpleNamespace(refused=self.refused.append, processing=lambda _: nullcontext()),
            writer=WRITER,
            limit=10,
        )
        return SimpleNamespace(take=take, spool=spool, store=store, results=results)

    def submission(self, authorization=f"Bearer {SECRET}", event="e1"):
        task = read_task(self.value, self.new_id(), DEFAULTS)
        return Submission(RequestName("shop", event), authorization, b"reply", task)

    async def live(self, last=None) -> Life:
        """Start, resume, take the task from the bus if it was never acknowledged; until done or dead."""
        life = Life(last)
        gateway = self.gateway(life)

        async def main():
            await gateway.take.resume_all()
            if not self.durable.acknowledged:
                await gateway.take([self.submission()])
                await life.step("acknowledging", lambda: setattr(self.durable, "acknowledged", True))
            await gateway.take.drain(5)

        before = asyncio.all_tasks()
        running = asyncio.create_task(main())
        dying = asyncio.create_task(life.dead.wait())
        await asyncio.wait([running, dying], return_when=asyncio.FIRST_COMPLETED, timeout=60)
        alive = running.done()
        life.dead.set()
        left = asyncio.all_tasks() - before
        for task in left - {running}:
            task.cancel()
        if alive:
            running.result()
            assert gateway.take.working == 0
        running.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return life


@pytest.fixture
def world():
    return World


@pytest.fixture
def life():
    """A life that does not end."""
    return Life()
