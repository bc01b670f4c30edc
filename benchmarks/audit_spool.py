"""Records into the spool: how many become durable in a second, and what each costs the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.records import Commitment, DecisionRecord, Numbers, OutcomeRecord, Personal, Record
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import FileSpool

ORGANIZATION = "org_" + "a" * 26


@dataclass(frozen=True, slots=True)
class SpoolFigures:
    """One measurement. CPU is in microseconds: of the whole process, of the event loop's thread alone, and of the
    appenders themselves, who make the records, over a spool that does nothing.
    """

    appenders: int
    records: int
    groups: int
    wall_s: float
    cpu_us_per_record: float
    loop_cpu_us_per_record: float
    appender_cpu_us_per_record: float
    p50_ms: float
    p99_ms: float

    @property
    def records_per_s(self) -> float:
        """Durable records in a second."""
        return self.records / self.wall_s

    @property
    def append_loop_cpu_us(self) -> float:
        """What an append costs the event loop, from the call to the moment its caller goes on."""
        return self.loop_cpu_us_per_record - self.appender_cpu_us_per_record


def decision(task: str, numbers: Numbers) -> DecisionRecord:
    """A record as the gateway writes them."""
    return DecisionRecord(
        caller="key_" + "c" * 26,
        door="rest",
        findings={"email": 1},
        model="smollm2-135m",
        organization=ORGANIZATION,
        organization_sequence=numbers.organization_sequence,
        personal=Personal("Ann Example"),
        policy="default_local_first",
        policy_version="0123456789abcdef",
        project=None,
        prompt=Commitment("ab" * 32, "0123456789abcdef", 1024),
        reasons=("allowpath", "residency"),
        receipt="0198f7c0-0000-7000-8000-000000000000",
        sensitivity="SENSITIVE",
        sensitivity_sources=("scanner:email",),
        sequence=numbers.sequence,
        task=task,
        time_us=1_700_000_000_000_000,
        verdict="permit",
        writer=numbers.writer,
    )


def outcome(task: str, leaf_hash: str, numbers: Numbers) -> OutcomeRecord:
    """The record that ends it."""
    return OutcomeRecord(
        answer=Commitment("cd" * 32, "0123456789abcdef", 2048),
        attempts=1,
        completion_tokens=100,
        decision=leaf_hash,
        duration_us=123_456,
        error=None,
        finish_reason="stop",
        locality="local",
        model="smollm2-135m",
        organization=ORGANIZATION,
        organization_sequence=numbers.organization_sequence,
        prompt_tokens=50,
        provider="local",
        receipt="0198f7c0-0000-7000-8000-000000000000",
        sequence=numbers.sequence,
        state="done",
        task=task,
        time_us=1_700_000_000_000_001,
        writer=numbers.writer,
    )


class _Nothing:
    """Makes the record and has it 'durable' at the end of the event loop's turn."""

    leaf_hash = bytes(32)

    def append(self, organization: str, build: Callable[[Numbers], Record]) -> asyncio.Future[_Nothing]:
        """Numbered, built, done."""
        build(Numbers(1, 1, organization))
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon(done.set_result, self)
        return done


def measure_spool(directory: Path, appenders: int, records: int) -> SpoolFigures:
    """Append `records`, half decisions and half their outcomes, from `appenders` coroutines at once, on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(directory, appenders, records))


async def _measure(directory: Path, appenders: int, records: int) -> SpoolFigures:
    tasks = max(records // appenders // 2, 1)
    key = WriterKey("gw-" + "a" * 26, Ed25519PrivateKey.generate())
    await _append(_Nothing(), appenders, tasks)  # warm up
    loop_cpu = time.thread_time()
    await _append(_Nothing(), appenders, tasks)
    appender_cpu = time.thread_time() - loop_cpu
    async with await FileSpool.open(directory, key) as spool:
        await _append(spool, appenders, 5, names=1 << 15)
        before = spool.durable_through
        wall, cpu, loop_cpu = time.perf_counter(), time.process_time(), time.thread_time()
        latencies_s = sorted(await _append(spool, appenders, tasks))
        wall, cpu, loop_cpu = time.perf_counter() - wall, time.process_time() - cpu, time.thread_time() - loop_cpu
        count = spool.durable_through - before
        reader, groups = spool.reader(before + 1), 0
        while reader.position <= spool.durable_through:
            groups += len(await reader.next_groups())
    return SpoolFigures(
        appenders=appenders,
        records=count,
        groups=groups,
        wall_s=wall,
        cpu_us_per_record=cpu / count * 1e6,
        loop_cpu_us_per_record=loop_cpu / count * 1e6,
        appender_cpu_us_per_record=appender_cpu / count * 1e6,
        p50_ms=latencies_s[len(latencies_s) // 2] * 1e3,
        p99_ms=latencies_s[len(latencies_s) * 99 // 100] * 1e3,
    )


async def _append(spool: FileSpool | _Nothing, appenders: int, tasks: int, names: int = 0) -> list[float]:
    """Each of `appenders` records `tasks` tasks, one after the other; the seconds that each decision took."""
    latencies_s: list[float] = []

    async def record(appender: int) -> None:
        for number in range(tasks):
            task = f"0198f7c0-{appender + names:04x}-7000-8000-{number:012x}"
            began = time.perf_counter()
            decided = await spool.append(ORGANIZATION, partial(decision, task))
            latencies_s.append(time.perf_counter() - began)
            digest = decided.leaf_hash.hex()
            await spool.append(ORGANIZATION, partial(outcome, task, digest))

    await asyncio.gather(*map(record, range(appenders)))
    return latencies_s
