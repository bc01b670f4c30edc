"""Governed tasks over Kafka, published to results read, against a bare consume-and-produce loop on the same broker.

    python benchmarks/bench_kafka.py [--tasks 20000]

The mesh runs as `metaqore up` starts it: receipts, records, sealing, projection, events, metrics and logs are on. Only
the model is a stub, a lean process of its own. CPU is that of the whole gateway process, its threads included, until
everything that the tasks cause there is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from process_tree import cpu_s
from stub_mesh import StubMesh, stub_mesh, stub_upstream

from metaqore_governance_core.contracts.tasks import TaskCompleted, TaskSubmitted

WARM_UP_TASKS = 2_000
SETTLE_S = 3.0
READ_TIMEOUT_S = 120.0
BARE_TOPICS = ("bench.tasks", "bench.results")
MARK_CPU_US = 350.0
MARK_RATIO = 0.08
VALUE = json.dumps(
    {"model": "stub", "prompt": "Say in one sentence what a ledger is for. " * 6, "max_tokens": 64}
).encode()


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: CPU of the process that did the work, for each task, and tasks a second from first to last."""

    cpu_us: float
    tasks_per_s: float


async def publish(bootstrap: str, topic: str, source: str, count: int, api_key: str) -> None:
    """Tasks with ids of their own, over all partitions, as fast as the broker takes them."""
    fixed = [
        ("authorization", f"Bearer {api_key}".encode()),
        ("ce_specversion", b"1.0"),
        ("ce_type", TaskSubmitted.ce_type.encode()),
        ("ce_source", source.encode()),
    ]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=65_536) as producer:
        for number in range(count):
            name = f"{number}".encode()
            await producer.send(topic, VALUE, name, headers=[*fixed, ("ce_id", name)])
        await producer.flush()


async def results(consumer: AIOKafkaConsumer, source: str, count: int) -> float:
    """Read until each task of `source` has its result; the time at which that was."""
    wanted = source.encode()
    seen: set[bytes] = set()
    async with asyncio.timeout(READ_TIMEOUT_S):
        while len(seen) < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    headers = dict(record.headers)
                    if headers.get("ce_requestsource") == wanted:
                        seen.add(headers["ce_requestid"])
                        if b'"state":"done"' not in record.value:
                            raise RuntimeError(f"A task was not done: {record.value[:300]!r}")
    return time.perf_counter()


async def governed(mesh: StubMesh, count: int) -> Figures:
    """Tasks through the gateway."""
    bootstrap, api_key, pid = mesh.kafka, mesh.api_key, mesh.gateway_pid
    consumer = AIOKafkaConsumer(TaskCompleted.topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        for tasks in (WARM_UP_TASKS, count):
            source = f"bench-{uuid.uuid4()}"
            await asyncio.sleep(SETTLE_S)
            cpu_before, began = cpu_s([pid]), time.perf_counter()
            publishing = asyncio.create_task(publish(bootstrap, TaskSubmitted.topic, source, tasks, api_key))
            ended = await results(consumer, source, tasks)
            await publishing
            await asyncio.sleep(SETTLE_S)
            figures = Figures((cpu_s([pid]) - cpu_before) / tasks * 1e6, tasks / (ended - began))
    return figures


async def bare(bootstrap: str, count: int) -> None:
    """Consume, parse, produce: no governance. Run in a process of its own, so that its CPU is known."""
    topic, answers = BARE_TOPICS
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id="bench.bare",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer, AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        done = 0
        while not (first := await consumer.getmany(timeout_ms=500)):
            pass
        cpu_before, began = time.process_time(), time.perf_counter()
        while done < count:
            batches = first or await consumer.getmany(timeout_ms=500, max_records=500)
            first = {}
            acks = []
            for records in batches.values():
                for record in records:
                    task = TaskSubmitted.model_validate_json(record.value)
                    answer = json.dumps({"state": "done", "answer": task.prompt}).encode()
                    acks.append(await producer.send(answers, answer, record.key, headers=list(record.headers)))
            await asyncio.gather(*acks)
            if batches:
                await consumer.commit()
            done += len(acks)
        cpu, wall = time.process_time() - cpu_before, time.perf_counter() - began
    print(json.dumps({"cpu_us": cpu / done * 1e6, "tasks_per_s": done / wall}))


async def measure_bare(bootstrap: str, count: int) -> Figures:
    """The bare loop on the same broker, in a process of its own."""
    await publish(bootstrap, BARE_TOPICS[0], "bench", count, "mq_none")
    command = [sys.executable, __file__, "--bare", bootstrap, "--tasks", str(count)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return Figures(**json.loads(output.splitlines()[-1]))


def show(ours: Figures, loop: Figures) -> None:
    """The table for a person."""
    print(f"{'':<34}{'CPU us a task':>14}{'tasks/s':>12}")
    print(f"{'governed, by the gateway':<34}{ours.cpu_us:>14.1f}{ours.tasks_per_s:>12,.0f}")
    print(f"{'bare consume, parse and produce':<34}{loop.cpu_us:>14.1f}{loop.tasks_per_s:>12,.0f}")
    print(f"marks: at most {MARK_CPU_US:g} us of CPU a task, at least {MARK_RATIO:g} of the bare loop's speed")


def main() -> int:
    """Measure, show, and end with one line of JSON; the status is 1 where a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--bare", metavar="BOOTSTRAP", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        uvloop.run(bare(arguments.bare, arguments.tasks))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory,
        stub_upstream() as upstream,
        stub_mesh(upstream, Path(directory)) as mesh,
    ):
        # Before and after, so that both sides meet the same machine.
        before = uvloop.run(measure_bare(mesh.kafka, arguments.tasks))
        ours = uvloop.run(governed(mesh, arguments.tasks))
        after = uvloop.run(measure_bare(mesh.kafka, arguments.tasks))
        loop = Figures((before.cpu_us + after.cpu_us) / 2, (before.tasks_per_s + after.tasks_per_s) / 2)
    show(ours, loop)
    figures = {
        "cpu_us_per_task": round(ours.cpu_us, 1),
        "bare_cpu_us": round(loop.cpu_us, 1),
        "ratio": round(loop.cpu_us / ours.cpu_us, 4),
        "tasks_per_s": round(ours.tasks_per_s, 1),
    }
    print(json.dumps(figures))
    return 0 if figures["cpu_us_per_task"] <= MARK_CPU_US and figures["ratio"] >= MARK_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
