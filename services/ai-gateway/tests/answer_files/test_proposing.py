"""The files of an answer are proposed on behalf of who asked, when the task is over, and never in its way."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from metaqore_ai_gateway.domain.chat import Envelope, parse_chat
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.service.events import Chunk, Concluded, Concluding, Decided
from metaqore_ai_gateway.service.propose_answers import ProposeAnswers
from metaqore_ai_gateway.service.psmp import answer_proposals
from metaqore_ai_gateway.service.psmp.answer_proposals import AnswerProposals
from metaqore_ai_gateway.service.psmp.governed import Answer, CommandRefusedError
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Door
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.scanner import NOTHING_FOUND, Findings
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState
from metaqore_mesh.keys import DigestKeys

ANN = Caller("key_1", "acme", "ann", frozenset(DEFAULT_SCOPES))
DIGESTS = DigestKeys(b"k" * 32)
TEXT = "Here:\n\n```python src/a.py\nx = 1\n```\n\n**README.md**\n\n```markdown\n# A\n```\n"
OUTCOME = Outcome("task-1", "acme", "r", "leaf", TaskState.DONE, 1, 7, Usage("stop", 1, 2), model="big-m")


class Gate:
    def __init__(self):
        self.given, self.faults, self.held = [], [], None

    async def __call__(self, given):
        self.given.append(given)
        if self.held is not None:
            await self.held.wait()
        if self.faults:
            raise self.faults.pop(0)
        return Answer("receipt-1", "token", "default", 7)


class Governed:
    """A `GovernTask` that answers `pieces`, and ends as `outcome`."""

    def __init__(self):
        self.pieces, self.outcome, self.closed, self.seen = None, OUTCOME, 0, []

    async def __call__(self, caller, task, *, resumed=None, examined=None):
        self.seen.append((caller, task, resumed, examined))
        try:
            if resumed is None:
                yield Decided(SimpleNamespace(sensitivity=Sensitivity.SENSITIVE), None, permitted=True)
            for piece in self.pieces or [whole(TEXT)]:
                yield Chunk(piece)
            yield Concluding(self.outcome)
            yield Concluded(self.outcome)
        finally:
            self.closed += 1


def whole(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def desk():
    gate, told, govern = Gate(), [], Governed()
    proposals = AnswerProposals(gate, told.append)
    ask = ProposeAnswers(govern, DIGESTS, proposals)

    async def run(caller=ANN, body=None, examined=None, resumed=None, **envelope):
        made = Envelope("task-1", envelope.pop("door", Door.REST), 30.0, **{"propose_files": True, **envelope})
        task = parse_chat(
            json.dumps(body or {"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode(), made
        )
        events = [event async for event in ask(caller, task, examined=examined, resumed=resumed)]
        await proposals.drain(5)
        return events, task

    return SimpleNamespace(gate=gate, told=told, govern=govern, proposals=proposals, ask=ask, run=run)


async def test_the_files_of_an_answer_are_proposed_together(desk):
    events, task = await desk.run(project="garden")
    assert [type(event) for event in events] == [Decided, Chunk, Concluding, Concluded]
    [given] = desk.gate.given
    assert (given.caller, given.door, given.project, given.key) == (ANN, Door.REST, "garden", "task:task-1:files")
    assert (given.label, given.task) == (Sensitivity.SENSITIVE, "task-1")
    created = [one.created for one in given.command.proposals]
    assert [(one.artifact_name, one.declarations.paths, one.content_text, one.media_type) for one in created] == [
        ("src/a.py", ["src/a.py"], "x = 1\n", "text/x-python"),
        ("README.md", ["README.md"], "# A\n", "text/markdown"),
    ]
    prompt = DIGESTS.commit("acme", task.digest_input).digest
    for one in created:
        provenance = one.provenance
        assert (provenance.agent, provenance.model, provenance.task, provenance.prompt_digest) == (
            "ann", "big-m", "task-1", prompt,
        )  # fmt: skip
    assert json.loads(given.raw)["name"] == "artifact.propose"
    assert desk.told == ["proposed"]


async def test_a_stream_is_gathered(desk):
    pieces = [json.dumps({"choices": [{"delta": {"content": TEXT[at : at + 7]}}]}) for at in range(0, len(TEXT), 7)]
    desk.govern.pieces = [piece.encode() for piece in pieces]
    await desk.run()
    assert len(desk.gate.given[0].command.proposals) == 2


async def test_a_task_that_does_not_ask_is_governed_as_ever(desk):
    events, _ = await desk.run(propose_files=False)
    assert len(events) == 4
    assert (desk.gate.given, desk.told) == ([], [])


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.DONE])
async def test_nothing_is_proposed_of_a_task_that_is_not_done(desk, state):
    desk.govern.outcome = replace(OUTCOME, state=state)
    await desk.run()
    assert (desk.gate.given, desk.told) == ([], [])


@pytest.mark.parametrize(
    ("pieces", "usage", "told"),
    [
        pytest.param([whole("No file.")], Usage("stop"), "no_files", id="it holds none"),
        pytest.param([whole(TEXT)], Usage("length"), "answer_cut_off", id="it was cut off"),
        pytest.param(
            [whole("```py a.py\n" + "x" * (1 << 20) + "\n```\n")], Usage(), "answer_files_too_large", id="large"
        ),
    ],
)
async def test_what_is_not_proposed_is_told(desk, pieces, usage, told):
    desk.govern.pieces, desk.govern.outcome = pieces, replace(OUTCOME, usage=usage)
    await desk.run()
    assert (desk.gate.given, desk.told) == ([], [told])


async def test_an_answer_waits_for_no_proposal(desk):
    desk.gate.held = asyncio.Event()
    task = parse_chat(
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', Envelope("t", Door.REST, 30.0, propose_files=True)
    )
    async with asyncio.timeout(60):
        assert len([event async for event in desk.ask(ANN, task)]) == 4
    assert desk.proposals.working == 1
    desk.gate.held.set()
    await desk.proposals.drain(5)
    assert (desk.told, desk.proposals.working) == (["proposed"], 0)


async def test_it_is_tried_again_under_the_same_key(desk, monkeypatch):
    monkeypatch.setattr(answer_proposals, "FIRST_DELAY_S", 0)
    away = MetaQoreError("database_unavailable", "away", kind=ErrorKind.UNAVAILABLE, retryable=True)
    desk.gate.faults = [away, CommandRefusedError(away, state="failed", receipt="r", receipt_token="t")]
    await desk.run()
    assert desk.told == ["proposed"]
    assert len(desk.gate.given) == 3
    assert len({given.key for given in desk.gate.given}) == 1


@pytest.mark.parametrize(
    "fault",
    [
        CommandRefusedError(MetaQoreError("allowpath_missing", "No."), state="denied", receipt="r", receipt_token="t"),
        MetaQoreError("project_missing", "No."),
        RuntimeError(),
    ],
)
async def test_what_is_refused_is_told_once(desk, fault):
    desk.gate.faults = [fault]
    await desk.run()
    assert desk.told == [getattr(fault, "code", "internal")]
    assert len(desk.gate.given) == 1


async def test_what_stays_away_is_given_up(desk, monkeypatch):
    monkeypatch.setattr(answer_proposals, "FIRST_DELAY_S", 0)
    desk.gate.faults = [MetaQoreError("away", "away", kind=ErrorKind.UNAVAILABLE, retryable=True)] * 99
    await desk.run()
    assert desk.told == ["away"]
    assert len(desk.gate.given) == answer_proposals.ATTEMPTS


async def test_the_end_of_the_process_gives_it_up_and_tells(desk):
    desk.gate.held = asyncio.Event()
    running = asyncio.create_task(desk.run())
    while not desk.gate.given:
        await asyncio.sleep(0)
    await desk.proposals.drain(0.01)
    await running
    assert (desk.told, desk.proposals.working) == (["gateway_stopping"], 0)


async def test_a_record_that_does_not_become_durable_does_not_keep_the_end(desk):
    durable = asyncio.Event()

    async def insists(given):
        desk.gate.given.append(given)
        while not durable.is_set():
            with suppress(asyncio.CancelledError):
                await durable.wait()
        return Answer("receipt-1", "token", "default", 7)

    desk.proposals._gate = insists
    running = asyncio.create_task(desk.run())
    while not desk.gate.given:
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await desk.proposals.drain(0.01)
    durable.set()
    await running


async def test_what_waits_has_a_bound(desk, monkeypatch):
    monkeypatch.setattr(answer_proposals, "MAX_WAITING_CHARACTERS", len(TEXT) + 10)
    desk.gate.held = asyncio.Event()
    first = asyncio.create_task(desk.run())
    while not desk.gate.given:
        await asyncio.sleep(0)
    second = asyncio.create_task(desk.run())
    while not desk.told:
        await asyncio.sleep(0)
    assert desk.told == ["proposals_busy"]
    desk.gate.held.set()
    await asyncio.gather(first, second)
    await desk.run()
    assert desk.told == ["proposals_busy", "proposed", "proposed"]


async def test_a_task_that_is_resumed_is_proposed_for_its_caller(desk):
    """Its caller has no scopes any more, and its text is gone; that it may was seen when it was taken."""
    prompt = Commitment("digest-of-then", "k", 3)
    await desk.run(
        caller=replace(ANN, scopes=frozenset()),
        door=Door.KAFKA,
        label=Sensitivity.INTERNAL,
        resumed=object(),
        examined=Examined(Findings({"email": 1}), prompt),
    )
    [given] = desk.gate.given
    assert "psmp:write" in given.caller.scopes
    assert given.command.proposals[0].created.provenance.prompt_digest == "digest-of-then"
    assert given.label is Sensitivity.SENSITIVE


@pytest.mark.parametrize(
    ("examined", "label"),
    [
        (Examined(NOTHING_FOUND, Commitment("a", "k", 1)), None),
        (Examined(NOTHING_FOUND, Commitment("a", "k", 1), scanner_failed=True), Sensitivity.CRITICAL),
    ],
)
async def test_the_label_of_a_resumed_task_is_what_was_found_in_it(desk, examined, label):
    await desk.run(door=Door.KAFKA, resumed=object(), examined=examined)
    assert desk.gate.given[0].label is label


async def test_who_leaves_midway_closes_the_task(desk):
    task = parse_chat(
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', Envelope("t", Door.REST, 30.0, propose_files=True)
    )
    events = desk.ask(ANN, task)
    await anext(events)
    await events.aclose()
    assert (desk.govern.closed, desk.gate.given) == (1, [])
