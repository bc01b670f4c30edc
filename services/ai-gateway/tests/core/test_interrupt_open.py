"""What the last run left open is ended at start, and what will be resumed is left alone."""

from __future__ import annotations

from metaqore_ai_gateway.service.interrupt_open import InterruptOpen
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_governance_core.writer_state import OpenDecision


def opened(door, verdict="permit", reasons=()):
    return OpenDecision(door, "ab" * 32, "m", "org_1", "v", reasons, f"receipt-{door}", 1_000, verdict)


async def test_each_gets_the_outcome_that_was_missing(world):
    interrupt = InterruptOpen(RecordOutcome(world.spool, lambda: 5_000), lambda: 5_000)
    left = {
        "t1": opened("rest"),
        "t2": opened("grpc"),
        "t3": opened("kafka"),
        "t4": opened("rest", "deny", ("credential_in_prompt",)),
    }
    assert await interrupt(left) == 3
    ended = {record.task: (record.state, record.error, record.duration_us) for record in world.spool.records}
    assert ended == {
        "t1": ("interrupted", "interrupted", 4_000),
        "t2": ("interrupted", "interrupted", 4_000),
        "t4": ("denied", "credential_in_prompt", 4_000),
    }
    assert {record.decision for record in world.spool.records} == {"ab" * 32}
