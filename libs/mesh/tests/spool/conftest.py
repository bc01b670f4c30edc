"""Records to append, and a spool to append them to."""

import asyncio
from dataclasses import dataclass

import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.records import CommandRecord, Commitment, DecisionRecord, OutcomeRecord, Personal
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import FileSpool, SpoolLimits

KEY = WriterKey("gw-" + "a" * 26, Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def pytest_asyncio_loop_factories():
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def decision(task, organization="org_a", reasons=()):
    """A builder of the decision about `task`."""

    def build(numbers):
        return DecisionRecord(
            caller="key_a",
            door="rest",
            findings={"email": 1},
            model="m",
            organization=organization,
            organization_sequence=numbers.organization_sequence,
            personal=Personal("Ann"),
            policy="default",
            policy_version="0123456789abcdef",
            project=None,
            prompt=Commitment("ab" * 32, "0123456789abcdef", 12),
            reasons=tuple(reasons),
            receipt=f"receipt-{task}",
            sensitivity="PUBLIC",
            sensitivity_sources=(),
            sequence=numbers.sequence,
            task=str(task),
            time_us=1_700_000_000_000_000,
            verdict="permit",
            writer=numbers.writer,
        )

    return build


def command(number, organization="org_a"):
    """A builder of the record of a command."""

    def build(numbers):
        return CommandRecord(
            body=Commitment("ab" * 32, "0123456789abcdef", 12),
            caller="key_a",
            door="rest",
            findings={},
            organization=organization,
            organization_sequence=numbers.organization_sequence,
            personal=Personal("Ann"),
            policy="default",
            policy_version="0123456789abcdef",
            project=None,
            reasons=(),
            receipt=f"receipt-{number}",
            sensitivity="PUBLIC",
            sensitivity_sources=(),
            sequence=numbers.sequence,
            target=("artifact:a",),
            time_us=1_700_000_000_000_000,
            tool="psmp.artifact",
            verb="propose",
            verdict="permit",
            writer=numbers.writer,
        )

    return build


def outcome(task, leaf_hash, organization="org_a"):
    """A builder of the outcome of `task`, whose decision has this leaf hash."""

    def build(numbers):
        return OutcomeRecord(
            answer=None,
            attempts=1,
            completion_tokens=1,
            decision=leaf_hash.hex(),
            duration_us=5,
            error=None,
            finish_reason="stop",
            locality="local",
            model="m",
            organization=organization,
            organization_sequence=numbers.organization_sequence,
            prompt_tokens=1,
            provider="local",
            receipt=f"receipt-{task}",
            sequence=numbers.sequence,
            state="done",
            task=str(task),
            time_us=1_700_000_000_000_001,
            writer=numbers.writer,
        )

    return build


@dataclass(frozen=True)
class Make:
    """What the tests make: builders of records, and spools in this test's directory."""

    directory: object
    opened: list

    decision = staticmethod(decision)
    outcome = staticmethod(outcome)
    command = staticmethod(command)
    key = KEY

    async def spool(self, **options):
        limits = options.pop("limits", {})
        spool = await FileSpool.open(self.directory, options.pop("key", KEY), limits=SpoolLimits(**limits), **options)
        self.opened.append(spool)
        return spool


@pytest.fixture
async def make(tmp_path):
    made = Make(tmp_path / "spool", [])
    yield made
    for spool in made.opened:
        await spool.close()
