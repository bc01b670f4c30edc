"""Records into the spool and through to the sealed log on the embedded parts, and the check of a log offline."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

import uvloop
from audit_parts import Parts, running_parts
from audit_spool import ORGANIZATION, SpoolFigures, measure_spool
from audit_way import WayFigures, open_way

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore_cli.log_check import LogCheck
from metaqore_governance_core.checkpoints import open_checkpoint
from metaqore_mesh.grpc.identity import ORGANIZATION_KEY
from metaqore_mesh.keys import load_public_key

DURABLE_RECORDS = 40_000
LOG_RECORDS = 100_000
STREAM_RECORDS_PER_S = 5_000
STREAM_S = 10.0
MARK_RECORDS_PER_S = 5_000
MARK_CHECKPOINT_P99_S = 1.0
_AS_ORGANIZATION = ((ORGANIZATION_KEY, ORGANIZATION),)


async def measure_way(directory: Path) -> tuple[WayFigures, WayFigures, float, float]:
    """The steady stream, the flood, and the seconds for a check of 100,000 records: offline, and by the auditor."""
    async with running_parts(directory) as parts:
        async with open_way(parts) as way:
            await way.flood(2_000)  # warm up
            stream = await way.stream(STREAM_RECORDS_PER_S, STREAM_S)
            flood = await way.flood(LOG_RECORDS)
        return stream, flood, await _verify(parts), await _verify_at_auditor(parts)


async def _verify(parts: Parts) -> float:
    """CPU seconds for 100,000 records, read before and checked without the mesh, as `metaqore audit verify` does."""
    note = (await parts.audit.GetCheckpoint(pb.GetCheckpointRequest(), metadata=_AS_ORGANIZATION)).checkpoint
    stream = parts.audit.ListRecords(pb.ListRecordsRequest(), metadata=_AS_ORGANIZATION, timeout=300)
    records = [entry.record async for page in stream for entry in page.records]
    began = time.process_time()
    origin = f"{parts.run.mesh_id.read_text().strip()}/{ORGANIZATION}"
    checkpoint = open_checkpoint(note, origin, load_public_key(parts.run.log_public_key))
    check = LogCheck()
    for record in records[: checkpoint.size]:
        check.add(record)
    check.finish(checkpoint)
    spent = time.process_time() - began
    if check.faults:
        raise RuntimeError(f"The log does not hold: {check.faults[:3]}")
    return spent / len(records) * 100_000


async def _verify_at_auditor(parts: Parts) -> float:
    """Seconds for 100,000 records, each held to tiles, checkpoints and signatures in the auditor's own database."""
    began, total = time.perf_counter(), 0
    async for progress in parts.audit.VerifyLog(pb.VerifyLogRequest(), metadata=_AS_ORGANIZATION, timeout=300):
        total = progress.total_records
        for fault in progress.faults:
            raise RuntimeError(f"The log does not hold: {fault.code} at {fault.leaf_index}")
    return (time.perf_counter() - began) / total * 100_000


def show(spool: list[SpoolFigures], stream: WayFigures, flood: WayFigures, verify_s: float, own_s: float) -> None:
    """The table for a person."""
    print(f"{'into the spool':<28}{'records/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>10}")
    for each in spool:
        name = f"  {each.appenders} appenders"
        print(f"{name:<28}{each.records_per_s:>12,.0f}{each.p50_ms:>10.2f}{each.p99_ms:>10.2f}", end="")
        print(f"{each.cpu_us_per_record:>10.1f}")
    print(f"{'through to a checkpoint':<28}{'records/s':>12}{'p50 s':>10}{'p99 s':>10}{'auditor us':>12}")
    for name, way in ((f"  {STREAM_RECORDS_PER_S:,} a second", stream), ("  as fast as it goes", flood)):
        print(f"{name:<28}{way.records_per_s:>12,.0f}{way.p50_s:>10.3f}{way.p99_s:>10.3f}", end="")
        print(f"{way.auditor_cpu_us_per_record:>12.1f}")
    print(f"100,000 records checked offline in {verify_s:.2f} s of CPU, by the auditor in {own_s:.2f} s")
    print(
        f"marks: at least {MARK_RECORDS_PER_S:,} durable records/s, at most {MARK_CHECKPOINT_P99_S:g} s to a checkpoint"
    )


def main() -> int:
    """Measure, show, and end with one line of JSON; the status is 1 where a mark is missed.

    Wall-clock marks mean something on an otherwise idle machine.
    """
    with tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory:
        spool = [measure_spool(Path(directory) / f"spool-{n}", n, DURABLE_RECORDS // 64 * n) for n in (1, 16, 64)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            stream, flood, verify_s, own_s = runner.run(measure_way(Path(directory) / "run"))
    show(spool, stream, flood, verify_s, own_s)
    figures = {
        "durable_records_per_s": round(spool[-1].records_per_s),
        "sealed_records_per_s": round(flood.records_per_s),
        "checkpoint_p99_s": round(stream.p99_s, 3),
        "verify_100k_s": round(verify_s, 2),
        "auditor_cpu_us_per_record": round(flood.auditor_cpu_us_per_record, 1),
    }
    print(json.dumps(figures))
    met = (
        figures["durable_records_per_s"] >= MARK_RECORDS_PER_S and figures["checkpoint_p99_s"] <= MARK_CHECKPOINT_P99_S
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
