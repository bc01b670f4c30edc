"""The governed task: nothing is done before its decision is durable, and every decision gets one outcome."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import aclosing

import pytest

from metaqore_ai_gateway.adapters.provider_errors import failed, overloaded, refused, unreachable
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.domain.rulebook import Route
from metaqore_ai_gateway.service.events import Chunk, Concluded, Concluding, Decided, Resumed
from metaqore_governance_core.allowpaths import Effect, Rule
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.scanner import Findings
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import OpenDecision
from metaqore_mesh.spool import SpoolFailed


def outcome_of(events):
    assert type(events[-1]) is Concluded
    assert [type(event) for event in events[-2:]] == [Concluding, Concluded]
    return events[-1].outcome


async def test_a_task_is_decided_run_and_concluded(world):
    events = await world.run()
    assert [type(event) for event in events] == [Decided, Chunk, Concluding, Concluded]
    outcome = outcome_of(events)
    assert (outcome.state, outcome.provider, outcome.usage) == (TaskState.DONE, "local", Usage("stop", 3, 4))
    decision, end = world.spool.records
    assert (decision.verdict, decision.task, decision.model, decision.caller) == ("permit", "task-1", "m", "key_1")
    assert end.decision == events[0].receipt.leaf_hash
    assert end.receipt == decision.receipt == events[0].receipt.id
    assert world.told.events == [("decided", "permit"), ("concluded", "done")]
    assert world.admission.running == 0


async def test_a_stream_comes_in_its_chunks(world):
    world.local.script = [b"1", b"2", b"3", Usage("length", 1, 3)]
    events = await world.run(world.chat({"stream": True}))
    assert [event.data for event in events if type(event) is Chunk] == [b"1", b"2", b"3"]
    assert outcome_of(events).answer.size_bytes == 3
    assert ("answered", None) in world.told.events


async def test_records_hold_digests_and_no_text(world):
    task = world.chat({"messages": [{"role": "user", "content": "my secret"}]})
    outcome = outcome_of(await world.run(task))
    assert "secret" not in repr(world.spool.records)
    assert world.spool.records[0].prompt.size_bytes == len(task.digest_input)
    assert outcome.answer.size_bytes == len(world.answer[0])
    assert outcome.answer.digest != hashlib.sha256(world.answer[0]).hexdigest()
    assert outcome.answer.digest != hmac.digest(b"k" * 32, world.answer[0], "sha256").hex()


async def test_a_stream_commits_to_the_same_as_its_chunks_joined(world):
    whole = outcome_of(await world.run()).answer
    world.local.script = [world.answer[0][:5], world.answer[0][5:], world.answer[1]]
    assert outcome_of(await world.run(world.chat({"stream": True}))).answer == whole


async def test_nothing_runs_before_the_decision_is_durable(world):
    world.spool.hold = asyncio.Event()
    running = asyncio.create_task(world.run())
    await asyncio.sleep(0.01)
    assert len(world.spool.records) == 1
    assert world.local.calls == []
    world.spool.hold.set()
    await running
    assert len(world.local.calls) == 1


@pytest.mark.parametrize("at", ["append", "sync"])
async def test_without_a_durable_decision_nothing_runs(world, at):
    world.spool.error = SpoolFailed("EIO")
    if at == "sync":
        world.spool.hold = asyncio.Event()
        world.spool.hold.set()
    with pytest.raises(SpoolFailed):
        await world.run()
    assert world.local.calls == []
    assert world.told.events == [("abandoned", "spool_failed")]
    assert world.admission.running == 0


async def test_without_a_durable_outcome_the_task_is_not_concluded(world):
    seen = []

    async def consume():
        async for event in world.govern(world.alice, world.chat()):
            seen.append(type(event))
            if type(event) is Chunk:
                world.spool.error = SpoolFailed("ENOSPC")

    with pytest.raises(SpoolFailed):
        await consume()
    assert seen == [Decided, Chunk, Concluding]
    assert world.told.events[-1] == ("abandoned", "spool_failed")


async def test_an_unknown_model_is_refused_without_a_record(world):
    with pytest.raises(MetaQoreError) as refused_:
        await world.run(world.chat({"model": "nobody's"}))
    assert refused_.value.code == "model_not_found"
    assert world.spool.records == []


class TestDenials:
    @pytest.mark.parametrize(
        ("rules", "code"),
        [((), "allowpath_missing"), ((Rule(Effect.FORBID, "alice", "model.m", "*"),), "allowpath_forbidden")],
    )
    async def test_a_denial_has_a_decision_an_outcome_and_a_receipt(self, world, rules, code):
        world.rules = rules
        events = await world.run()
        assert [type(event) for event in events] == [Decided, Concluding, Concluded]
        assert not events[0].permitted
        outcome = outcome_of(events)
        assert (outcome.state, outcome.error.code, outcome.error.kind) == (TaskState.DENIED, code, ErrorKind.FORBIDDEN)
        assert [record.kind for record in world.spool.records] == ["decision", "outcome"]
        assert world.local.calls == world.cloud.calls == []

    async def test_a_credential_is_a_veto(self, world):
        world.scanner.found = Findings({"credential.jwt": 1})
        outcome = outcome_of(await world.run())
        assert outcome.error.code == "credential_in_prompt"
        assert world.spool.records[0].findings == {"credential.jwt": 1}

    async def test_a_text_too_sensitive_for_every_route_is_denied(self, world):
        world.routes = (Route("cloud", "m", Locality.CLOUD),)
        outcome = outcome_of(await world.run(world.chat(label=Sensitivity.INTERNAL)))
        assert outcome.error.code == "residency_no_provider"


class TestSensitivity:
    async def test_everything_that_is_sent_is_scanned(self, world):
        await world.run(world.chat({"tools": [{"function": {"description": "needle"}}], "unknown": {"needle key": 1}}))
        assert "needle" in world.scanner.seen[0]
        assert "needle key" in world.scanner.seen[0]

    async def test_a_scanner_that_fails_means_critical(self, world):
        world.scanner.found = RuntimeError("no scratch")
        await world.run()
        decision = world.spool.records[0]
        assert (decision.sensitivity, decision.verdict) == ("CRITICAL", "permit")
        assert "scanner_failed" in decision.reasons
        assert world.cloud.calls == []

    async def test_a_label_raises_and_never_lowers(self, world):
        world.scanner.found = Findings({"email": 1})
        await world.run(world.chat(label=Sensitivity.PUBLIC))
        assert world.spool.records[0].sensitivity == "SENSITIVE"
        await world.run(world.chat(label=Sensitivity.CRITICAL))
        assert world.spool.records[2].sensitivity == "CRITICAL"

    async def test_a_project_has_a_label(self, world):
        world.labels = {"payroll": Sensitivity.SENSITIVE}
        await world.run(world.chat(project="payroll"))
        assert (world.spool.records[0].sensitivity, world.spool.records[0].project) == ("SENSITIVE", "payroll")

    async def test_a_project_has_the_label_of_its_name_also_where_its_id_is_told(self, world):
        world.labels, task, other = {"payroll": Sensitivity.SENSITIVE}, world.chat(project="p-1"), "p-2"
        govern = world.govern

        async def sources(task):
            assert [event async for event in govern(world.alice, task)]
            return world.spool.records[-2].sensitivity_sources

        assert await sources(task) == ()
        world.names = {(world.alice.organization, "p-1"): "payroll", ("another", other): "payroll"}
        assert await sources(task) == ("project:SENSITIVE",)
        assert await sources(world.chat(project=other)) == ()

    async def test_nothing_runs_while_a_project_cannot_be_looked_up(self, world):
        world.labels, world.names = {"payroll": Sensitivity.SENSITIVE}, Away()
        with pytest.raises(MetaQoreError, match="away"):
            await world.run(world.chat(project="p-1"))
        assert (world.spool.records, world.admission.running) == ([], 0)

    async def test_a_large_text_is_scanned_as_well(self, world):
        await world.run(world.chat({"messages": [{"role": "user", "content": "x" * 300_000 + "needle"}]}))
        assert "needle" in world.scanner.seen[0]


class Away:
    """Names that nobody can tell now."""

    def get(self, _):
        raise MetaQoreError("database_unavailable", "It is away.", kind=ErrorKind.UNAVAILABLE, retryable=True)


class TestRouting:
    async def test_cloud_is_a_fallback_for_what_is_public(self, world):
        world.local.script = [overloaded()]
        outcome = outcome_of(await world.run())
        assert (outcome.state, outcome.provider, outcome.locality, outcome.model) == ("done", "cloud", "cloud", "big-m")
        assert world.cloud.calls[0].model == "big-m"

    async def test_what_is_not_public_stays_local(self, world):
        world.local.script = [overloaded()]
        outcome = outcome_of(await world.run(world.chat(label=Sensitivity.INTERNAL)))
        assert (outcome.state, outcome.error.code) == (TaskState.FAILED, "provider_overloaded")
        assert world.cloud.calls == []

    async def test_local_is_first_whatever_the_order_of_the_routes(self, world):
        world.routes = world.routes[::-1]
        assert outcome_of(await world.run()).provider == "local"

    async def test_enterprise_follows_the_order_of_the_routes(self, world):
        world.policy = "enterprise"
        world.routes = world.routes[::-1]
        assert outcome_of(await world.run()).provider == "cloud"

    async def test_compliance_never_leaves(self, world):
        world.policy = "compliance"
        world.local.script = [overloaded()]
        assert outcome_of(await world.run()).state is TaskState.FAILED
        assert world.cloud.calls == []

    async def test_no_fallback_after_the_first_chunk(self, world):
        world.local.script = [b"1", failed("connection_broken")]
        events = await world.run(world.chat({"stream": True}))
        assert [event.data for event in events if type(event) is Chunk] == [b"1"]
        assert (outcome_of(events).error.code, outcome_of(events).provider) == ("provider_failed", "local")
        assert world.cloud.calls == []

    async def test_no_fallback_for_what_every_provider_would_refuse(self, world):
        world.local.script = [refused("upstream_status_400")]
        assert outcome_of(await world.run()).error.code == "provider_refused"
        assert world.cloud.calls == []

    async def test_a_connection_that_fails_is_tried_once_more(self, world):
        world.local.script = [[unreachable()], world.answer]
        assert outcome_of(await world.run()).provider == "local"
        assert len(world.local.calls) == 2

    async def test_and_then_the_next_route(self, world):
        world.local.script = [[unreachable()], [unreachable()]]
        assert outcome_of(await world.run()).provider == "cloud"

    async def test_the_trace_is_passed_on(self, world):
        await world.run(world.chat(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01"))
        assert world.local.calls[0].traceparent.startswith("00-1111")


class TestLeaving:
    async def test_closing_during_the_answer_records_a_cancelled_task(self, world):
        world.local.script = [b"1", asyncio.Event()]
        async with aclosing(world.govern(world.alice, world.chat({"stream": True}))) as events:
            async for event in events:
                if type(event) is Chunk:
                    break
        assert [record.kind for record in world.spool.records] == ["decision", "outcome"]
        assert world.spool.records[1].state == "cancelled"
        assert world.spool.records[1].answer.size_bytes == 1
        assert world.local.closed_early == 1
        assert world.told.events[-1] == ("concluded", "cancelled")

    @pytest.mark.parametrize("waits_for", ["decision", "provider", "outcome"])
    async def test_cancelling_leaves_one_outcome(self, world, waits_for):
        stop = asyncio.Event()
        if waits_for == "provider":
            world.local.script = [stop]
        if waits_for == "decision":
            world.spool.hold = stop
        if waits_for == "outcome":
            world.local.script = world.answer
        running = asyncio.create_task(self.consume(world, stop if waits_for == "outcome" else None))
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.sleep(0.01)
        stop.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [record.kind for record in world.spool.records] == ["decision", "outcome"]
        assert world.spool.records[1].state == ("done" if waits_for == "outcome" else "cancelled")
        assert world.told.events[-1][0] == "concluded"
        assert world.admission.running == 0

    async def consume(self, world, hold_outcome):
        async for event in world.govern(world.alice, world.chat()):
            if type(event) is Concluding:
                world.spool.hold = hold_outcome

    async def test_cancelling_twice_changes_nothing(self, world):
        world.spool.hold = asyncio.Event()
        running = asyncio.create_task(world.run())
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.sleep(0.01)
        running.cancel()
        world.spool.hold.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [record.kind for record in world.spool.records] == ["decision", "outcome"]

    @pytest.mark.parametrize("left_at", [Decided, Concluding])
    async def test_leaving_at_any_event_leaves_one_outcome(self, world, left_at):
        async with aclosing(world.govern(world.alice, world.chat())) as events:
            async for event in events:
                if type(event) is left_at:
                    break
        assert [record.kind for record in world.spool.records] == ["decision", "outcome"]
        assert world.spool.records[1].state == ("cancelled" if left_at is Decided else "done")

    async def test_a_denial_stays_one_though_its_caller_left(self, world):
        world.rules = ()
        async with aclosing(world.govern(world.alice, world.chat())) as events:
            await anext(events)
        assert world.spool.records[1].state == "denied"

    async def test_a_task_from_kafka_stays_open_to_be_resumed(self, world):
        async with aclosing(world.govern(world.alice, world.chat(door=Door.KAFKA))) as events:
            await anext(events)
        assert [record.kind for record in world.spool.records] == ["decision"]


class TestResuming:
    def resumed(self, world, version=None):
        version = version or world.govern.rulebook.policy.version
        opened = OpenDecision("kafka", "ab" * 32, "m", "org_1", version, (), "receipt-0", 1000, "permit")
        return Resumed(opened, attempts=2)

    async def test_it_runs_again_under_its_decision(self, world):
        events = await world.run(world.chat(door=Door.KAFKA), resumed=self.resumed(world))
        assert [type(event) for event in events] == [Chunk, Concluding, Concluded]
        outcome = outcome_of(events)
        assert (outcome.attempts, outcome.receipt, outcome.decision) == (2, "receipt-0", "ab" * 32)
        assert [record.kind for record in world.spool.records] == ["outcome"]

    async def test_a_changed_policy_interrupts_it(self, world):
        outcome = outcome_of(await world.run(world.chat(door=Door.KAFKA), resumed=self.resumed(world, "other")))
        assert (outcome.state, outcome.error.code) == (TaskState.INTERRUPTED, "policy_changed")
        assert world.local.calls == []


class TestAdmission:
    async def test_a_full_gateway_turns_away(self, world):
        world.admission = type(world.admission)(1)
        stop = asyncio.Event()
        world.local.script = [stop, *world.answer]
        first = asyncio.create_task(world.run())
        await asyncio.sleep(0.01)
        with pytest.raises(MetaQoreError) as turned_away:
            await world.run()
        assert (turned_away.value.code, turned_away.value.kind) == ("overloaded", ErrorKind.EXHAUSTED)
        stop.set()
        await first
        world.local.script = world.answer
        await world.run()

    async def test_a_draining_gateway_finishes_what_it_has(self, world):
        stop = asyncio.Event()
        world.local.script = [stop, *world.answer]
        first = asyncio.create_task(world.run())
        await asyncio.sleep(0.01)
        world.admission.close()
        with pytest.raises(MetaQoreError) as turned_away:
            await world.run()
        assert (turned_away.value.code, turned_away.value.kind) == ("draining", ErrorKind.UNAVAILABLE)
        stop.set()
        await world.admission.idle()
        assert outcome_of(await first).state is TaskState.DONE


async def test_what_is_forwarded_is_what_was_scanned(world):
    task = world.chat({"extra": {"a": ["b"]}})
    await world.run(task)
    assert world.local.calls[0].body == json.loads(task.digest_input)


async def test_a_task_that_failed_keeps_none_of_its_frames(world):
    world.local.script = [refused("context_length_exceeded")]
    outcome = outcome_of(await world.run())
    assert (outcome.state, outcome.error.__traceback__) == (TaskState.FAILED, None)
