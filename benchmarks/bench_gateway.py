"""Governed chat requests through the gateway, against the same requests forwarded bare, and straight to the upstream.

    python benchmarks/bench_gateway.py [--requests 12000]

The mesh runs as `metaqore up` starts it: receipts, records on a real spool, shipping, sealing, projection, metrics and
logs are on. Only the model is a stub, a lean process of its own. Bare is the gateway's HTTP server and client without
what is between them: the floor under any gateway of this make. CPU is that of the whole answering process, all its
threads included; for the direct requests it is the stub's. Each waits a moment at the end of its run, so that what a
request causes later counts too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from http_load import Target, stream_load, unary_load
from process_tree import cpu_s, keep_on_core
from stub_mesh import Served, StubMesh, bare_proxy, stub_mesh, stub_upstream

CONNECTIONS: Final = (1, 16, 64)
STREAMS: Final = (1, 64, 500)
FRAMES: Final = 64
WARM_UP_REQUESTS: Final = 2_000
SETTLE_S: Final = 1.5
SHARE: Final = {1: 0.15, 16: 0.5, 64: 1.0}
"""The part of the requests that is sent over so many connections."""

MARK_CPU_MS: Final = 0.3

_TEXT: Final = "The quick brown fox jumps over the lazy dog. " * 20
BODY: Final = {
    "model": "stub",
    "messages": [{"role": "system", "content": "You are a benchmark."}, {"role": "user", "content": _TEXT[:880]}],
    "temperature": 0.2,
}
UNARY: Final = json.dumps(BODY).encode()
STREAM: Final = json.dumps({**BODY, "stream": True}).encode()


@dataclass(frozen=True, slots=True)
class Unary:
    """CPU of the answering process for each request, and the median latency, both in milliseconds."""

    cpu_ms: float
    p50_ms: float
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class Streams:
    """Frames that did not come in order, and the gateway's CPU for each, in microseconds."""

    lost: int
    cpu_us: float
    seconds: float


async def unary(target: Target, pid: int, connections: int, requests: int) -> Unary:
    """One run of unary requests."""
    await asyncio.sleep(SETTLE_S)
    before = cpu_s([pid])
    load = await unary_load(target, UNARY, connections=connections, requests=requests)
    await asyncio.sleep(SETTLE_S)
    cpu_ms = (cpu_s([pid]) - before) / requests * 1000
    return Unary(cpu_ms, load.p50_ms, requests / load.wall_s)


async def streams(target: Target, pid: int, count: int) -> Streams:
    """One run of streams."""
    await asyncio.sleep(SETTLE_S)
    before = cpu_s([pid])
    load = await stream_load(target, STREAM, streams=count)
    await asyncio.sleep(SETTLE_S)
    frames = count * FRAMES
    return Streams(frames - load.frames, (cpu_s([pid]) - before) / frames * 1e6, load.wall_s)


@dataclass(frozen=True, slots=True)
class Runs:
    """What was measured: unary requests by connections, and governed streams by their number."""

    direct: dict[int, Unary]
    bare: dict[int, Unary]
    governed: dict[int, Unary]
    streamed: dict[int, Streams]

    @property
    def ratio(self) -> float:
        """CPU of a governed request over that of a bare one, at the most connections."""
        most = max(CONNECTIONS)
        return self.governed[most].cpu_ms / self.bare[most].cpu_ms


async def measure(upstream: Served, proxy: Served, mesh: StubMesh, requests: int) -> Runs:
    """Direct, bare and governed by turns, then streams through the gateway."""
    gateway = Target(mesh.rest_port, mesh.api_key)
    await unary_load(gateway, UNARY, connections=max(CONNECTIONS), requests=WARM_UP_REQUESTS)
    await unary_load(Target(proxy.port), UNARY, connections=max(CONNECTIONS), requests=WARM_UP_REQUESTS)
    direct, bare, governed = {}, {}, {}
    for connections in CONNECTIONS:
        sent = int(requests * SHARE[connections])
        direct[connections] = await unary(Target(upstream.port), upstream.pid, connections, sent)
        bare[connections] = await unary(Target(proxy.port), proxy.pid, connections, sent)
        governed[connections] = await unary(gateway, mesh.gateway_pid, connections, sent)
    streamed = {count: await streams(gateway, mesh.gateway_pid, count) for count in STREAMS}
    return Runs(direct, bare, governed, streamed)


def show(runs: Runs) -> None:
    """The table for a person."""
    print(f"{'unary, 1 KB':<26}{'CPU ms':>10}{'p50 ms':>10}{'requests/s':>12}")
    for connections in CONNECTIONS:
        for name, by in (("direct", runs.direct), ("bare", runs.bare), ("governed", runs.governed)):
            run = by[connections]
            label = f"{name}, {connections} connections"
            print(f"{label:<26}{run.cpu_ms:>10.3f}{run.p50_ms:>10.2f}{run.requests_per_s:>12,.0f}")
    print(f"\n{'governed SSE':<26}{'lost':>10}{'CPU us':>10}{'seconds':>12}   ({FRAMES} frames, one each 50 ms)")
    for count, flow in runs.streamed.items():
        print(f"{f'{count} streams':<26}{flow.lost:>10}{flow.cpu_us:>10.1f}{flow.seconds:>12.2f}")
    print(f"a governed request takes {runs.ratio:.1f} times the CPU of a bare one at {max(CONNECTIONS)} connections")
    print(f"marks: at most {MARK_CPU_MS:g} ms of CPU a request at 64 connections, no frame lost")


def main() -> int:
    """Measure, show, and end with one line of JSON; the status is 1 where a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=12_000, help="at 64 connections; fewer at 1 and 16")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory,
        stub_upstream() as upstream,
        bare_proxy(upstream) as proxy,
        stub_mesh(upstream, Path(directory)) as mesh,
    ):
        keep_on_core(1, [upstream.pid, os.getpid()])  # the gateway mostly runs on the other
        started = time.perf_counter()
        runs = uvloop.run(measure(upstream, proxy, mesh, arguments.requests))
    show(runs)
    direct, governed, streamed = runs.direct, runs.governed, runs.streamed
    lost = sum(run.lost for run in streamed.values())
    figures = {
        "cpu_ms_per_request": round(governed[64].cpu_ms, 4),
        "cpu_ms_per_request_at": {str(key): round(run.cpu_ms, 4) for key, run in governed.items()},
        "direct_cpu_ms_per_request": round(direct[64].cpu_ms, 4),
        "bare_cpu_ms_per_request": round(runs.bare[64].cpu_ms, 4),
        "cpu_over_bare": round(runs.ratio, 2),
        "added_p50_ms": round(governed[1].p50_ms - direct[1].p50_ms, 3),
        "added_p50_ms_at": {str(key): round(run.p50_ms - direct[key].p50_ms, 3) for key, run in governed.items()},
        "sse_frames_lost": lost,
        "sse_cpu_us_per_frame": round(streamed[64].cpu_us, 2),
        "sse_cpu_us_per_frame_at": {str(key): round(run.cpu_us, 2) for key, run in streamed.items()},
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(figures))
    return int(lost > 0 or governed[64].cpu_ms > MARK_CPU_MS)


if __name__ == "__main__":
    raise SystemExit(main())
