"""Records of tasks, as a writer would number them, for tests that need a log."""

from __future__ import annotations

from dataclasses import asdict

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.records import CommandRecord, Commitment, DecisionRecord, OutcomeRecord, Personal, Record

PROMPT = Commitment(digest="00" * 32, key_id="k", size_bytes=2)


def decision(task: str, number: int, writer: str = "gw-1") -> DecisionRecord:
    """That `task` may run, as record `number` of its writer."""
    return DecisionRecord(
        caller="key_1", door="rest", findings={}, model="m", organization="org_1", organization_sequence=number,
        personal=Personal("ada"), policy="default_local_first", policy_version="0", project=None, prompt=PROMPT,
        reasons=("allowed",), receipt=f"r-{task}", sensitivity="PUBLIC", sensitivity_sources=(), sequence=number,
        task=task, time_us=1, verdict="permit", writer=writer,
    )  # fmt: skip


def outcome(task: str, number: int, of: DecisionRecord, writer: str = "gw-1") -> OutcomeRecord:
    """That `task` is done, under the decision `of`."""
    return OutcomeRecord(
        answer=None, attempts=1, completion_tokens=1, decision=leaf_hash(raw(of)).hex(), duration_us=1, error=None,
        finish_reason="stop", locality="local", model="m", organization="org_1", organization_sequence=number,
        prompt_tokens=1, provider="p", receipt=f"r-{task}", sequence=number, state="done", task=task, time_us=2,
        writer=writer,
    )  # fmt: skip


def command(number: int, writer: str = "gw-1") -> CommandRecord:
    """That an artifact may be proposed, as record `number` of its writer."""
    return CommandRecord(
        body=PROMPT, caller="key_1", door="grpc", findings={}, organization="org_1", organization_sequence=number,
        personal=Personal("ada"), policy="default_local_first", policy_version="0", project="p", reasons=("allowed",),
        receipt=f"r-{number}", sensitivity="PUBLIC", sensitivity_sources=(), sequence=number, target=("artifact:a",),
        time_us=1, tool="psmp.artifact", verb="propose", verdict="permit", writer=writer,
    )  # fmt: skip


def raw(record: Record) -> bytes:
    """The record in its canonical form."""
    return canonical(asdict(record))
