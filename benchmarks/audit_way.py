"""Records on their whole way: spool, broker, auditor, signed checkpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer
from audit_parts import Parts
from audit_spool import ORGANIZATION, decision, outcome
from process_tree import cpu_s

from metaqore_governance_core.contracts.topics import AUDIT_CHECKPOINTS
from metaqore_governance_core.records import Numbers, Record
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.keys import make_writer_key
from metaqore_mesh.spool import FileSpool
from metaqore_mesh.spool.shipper import Shipper

BEAT_S = 0.01
WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class WayFigures:
    """One measurement. Latency runs from a record's `append` until its signed checkpoint is read from the broker."""

    records: int
    wall_s: float
    p50_s: float
    p99_s: float
    auditor_cpu_us_per_record: float

    @property
    def records_per_s(self) -> float:
        """Records through to the sealed log in a second."""
        return self.records / self.wall_s


@dataclass(slots=True)
class Checkpoints:
    """When the log reached which size, as its announcements tell."""

    seen: list[tuple[int, float]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, size: int) -> None:
        """Wait until a checkpoint covers `size` records."""
        async with asyncio.timeout(WAIT_S):
            while not self.seen or self.seen[-1][0] < size:
                self.grown.clear()
                await self.grown.wait()


@dataclass(slots=True)
class Way:
    """A writer on its spool, shipping to the broker; the checkpoints that come back."""

    spool: FileSpool
    checkpoints: Checkpoints
    auditor_pid: int
    tasks: int = 0

    async def flood(self, records: int, appenders: int = 64) -> WayFigures:
        """Append as fast as the spool takes it."""
        began: list[float] = []

        async def run() -> None:
            for _ in range(records // appenders // 2):
                await self._task(began)

        return await self._measured(asyncio.gather(*(run() for _ in range(appenders))), began)

    async def stream(self, records_per_s: int, seconds: float) -> WayFigures:
        """Append at a steady rate."""
        began: list[float] = []

        async def run() -> None:
            beats = int(seconds / BEAT_S)
            tasks_a_beat = int(records_per_s * BEAT_S / 2)
            start, running = time.perf_counter(), set()
            for beat in range(beats):
                running |= {asyncio.create_task(self._task(began)) for _ in range(tasks_a_beat)}
                await asyncio.sleep(max(start + (beat + 1) * BEAT_S - time.perf_counter(), 0))
                running = {task for task in running if not task.done()}
            await asyncio.gather(*running)

        return await self._measured(run(), began)

    async def _measured(self, load: Awaitable[object], began: list[float]) -> WayFigures:
        before, wall, cpu = self.spool.durable_through, time.perf_counter(), cpu_s([self.auditor_pid])
        await load
        last = self.spool.durable_through
        await self.checkpoints.reach(last)
        wall, cpu = time.perf_counter() - wall, cpu_s([self.auditor_pid]) - cpu
        ages = sorted(self._ages(before, began))
        return WayFigures(
            records=last - before,
            wall_s=wall,
            p50_s=ages[len(ages) // 2],
            p99_s=ages[len(ages) * 99 // 100],
            auditor_cpu_us_per_record=cpu / (last - before) * 1e6,
        )

    def _ages(self, before: int, began: list[float]) -> list[float]:
        covered = iter(self.checkpoints.seen)
        size, seen = next(covered)
        ages = []
        for sequence, started in enumerate(began, start=before + 1):
            while size < sequence:
                size, seen = next(covered)
            ages.append(seen - started)
        return ages

    async def _task(self, began: list[float]) -> None:
        self.tasks += 1
        task = f"0198f7c0-0000-7000-8000-{self.tasks:012x}"

        def decided(numbers: Numbers) -> Record:
            began.append(time.perf_counter())  # called in the order of the sequences
            return decision(task, numbers)

        digest = (await self.spool.append(ORGANIZATION, decided)).leaf_hash.hex()

        def ended(numbers: Numbers) -> Record:
            began.append(time.perf_counter())
            return outcome(task, digest, numbers)

        await self.spool.append(ORGANIZATION, ended)


@asynccontextmanager
async def open_way(parts: Parts) -> AsyncIterator[Way]:
    """A writer on the parts, as the gateway has one."""
    bus = Bus(parts.kafka, client_id="bench-audit")
    consumer = AIOKafkaConsumer(
        AUDIT_CHECKPOINTS, bootstrap_servers=parts.kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    checkpoints = Checkpoints()
    async with await FileSpool.open(parts.run.spool, make_writer_key(parts.run)) as spool:
        await bus.start()
        await consumer.start()
        shipping = asyncio.create_task(Shipper(spool, bus.publisher, parts.sealed_through).run())
        watching = asyncio.create_task(_watch(consumer, checkpoints))
        try:
            yield Way(spool, checkpoints, parts.auditor_pid)
        finally:
            for task in (shipping, watching):
                task.cancel()
            await asyncio.wait((shipping, watching))
            await consumer.stop()
            await bus.stop()


class _Sealed(msgspec.Struct):
    size: int


async def _watch(consumer: AIOKafkaConsumer, checkpoints: Checkpoints) -> None:
    async for message in consumer:
        checkpoints.seen.append((msgspec.json.decode(message.value, type=_Sealed).size, time.perf_counter()))
        checkpoints.grown.set()
