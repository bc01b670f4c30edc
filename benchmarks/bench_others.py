"""A chat request through MetaQore's gateway, LiteLLM's proxy and Portkey's open-source gateway, side by side.

    python benchmarks/bench_others.py [--requests 1500] [--rounds 3] [--without portkey]

The same stub upstream, the same 1 KB body, the same load and the same counts for each. Every gateway is one process
with one worker, all of its threads on one core; the stub and the load are on another, where there is one. They take
turns (direct, MetaQore, LiteLLM, Portkey, and again), and a ratio is the median of the ratios within each round, as the
speed of a machine changes from minute to minute. CPU is that of a gateway's whole process tree, a moment after the last
answer included. `x CPU` and `x pace` are against MetaQore; `added p50` is against the same requests straight to the
stub.

What is on:
  MetaQore  as `metaqore up` starts it: the key is checked, the text scanned, the decision made by an allowpath;
            decision and outcome are signed and on disk, the answer carries a receipt; metrics and logs. Its other parts
            (broker, database, audit log, inference) are processes of their own, told below the table.
  LiteLLM   a master key, one Uvicorn worker, LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR, cost tracking in memory. Off:
            database, Redis, callbacks, guardrails, retries, access log.
  Portkey   NODE_ENV=production, --headless. It checks no key (it hands the key on) and keeps nothing. Off: its
            console, cache, retries, guardrails.
So MetaQore has the handicap: it alone decides and records. A request or a frame that fails ends the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvloop
from bench_gateway import CONNECTIONS, FRAMES, SETTLE_S, STREAM, UNARY
from http_load import Load, Target, stream_load, unary_load
from other_gateways import Gateway, StartError, litellm, portkey
from process_tree import cpu_s, keep_on_core, resident_mib, tree
from side_by_side import Flow, Run, as_json, flow_row, flow_table, row, table
from stub_mesh import Served, stub_mesh, stub_upstream

from metaqore_mesh.embedded.mesh_file import read_mesh

BASE: Final = "MetaQore"
DIRECT: Final = "direct"
OTHERS: Final = {"litellm": litellm, "portkey": portkey}
GATEWAY_CORE: Final = 0
LOAD_CORE: Final = 1
SHARE: Final = {1: 0.25, 16: 0.5, 64: 1.0}
"""The part of the requests that is sent over so many connections."""

STREAMS: Final = 64
WARM_UP_REQUESTS: Final = 3_000
"""Node compiles for as long: Portkey's first requests take twice the CPU of its later ones."""

WARM_UP_STREAMS: Final = 4
LIMIT_S: Final = 600.0
"""A run that takes longer hangs."""


class RequestError(Exception):
    """A gateway did not answer a request as it should."""


async def answered(name: str, what: str, load: Awaitable[Load]) -> Load:
    """The load, once all of it is answered. Raises `RequestError`, with the first failure, where some is not."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await load
    except (OSError, RuntimeError, ValueError) as error:  # TimeoutError is an OSError
        first = str(error) or type(error).__name__
        raise RequestError(f"{name} failed a request ({what}): {first}\nNo figures: no failure is counted.") from error


async def unary_run(gateway: Gateway, beside: Sequence[int], connections: int, requests: int) -> Run:
    """One run of unary requests; `beside` are processes that work for the gateway outside its tree."""
    await asyncio.sleep(SETTLE_S)
    before, before_beside = cpu_s(tree(gateway.pid)), cpu_s(beside)
    sent = unary_load(gateway.target, UNARY, connections=connections, requests=requests)
    load = await answered(gateway.name, f"{requests} requests over {connections} connections", sent)
    await asyncio.sleep(SETTLE_S)
    pids = tree(gateway.pid)
    return Run(
        cpu_ms=(cpu_s(pids) - before) / requests * 1000,
        requests_per_s=requests / load.wall_s,
        p50_ms=load.p50_ms,
        resident_mib=resident_mib(pids),
        beside_cpu_ms=(cpu_s(beside) - before_beside) / requests * 1000,
        beside_mib=resident_mib(beside),
    )


async def stream_run(gateway: Gateway, streams: int) -> Flow:
    """One run of streams, all at once. Raises `RequestError` where a frame is missing or out of order."""
    await asyncio.sleep(SETTLE_S)
    before, frames = cpu_s(tree(gateway.pid)), streams * FRAMES
    load = await answered(gateway.name, f"{streams} streams", stream_load(gateway.target, STREAM, streams=streams))
    if load.frames != frames:
        lost = frames - load.frames
        raise RequestError(f"{gateway.name} lost {lost} of {frames} frames. No figures: no failure is counted.")
    await asyncio.sleep(SETTLE_S)
    return Flow((cpu_s(tree(gateway.pid)) - before) / frames * 1e6, load.wall_s)


async def measure(
    gateways: Sequence[Gateway], beside: Sequence[int], requests: int, rounds: int
) -> tuple[dict[int, dict[str, list[Run]]], dict[str, list[Flow]]]:
    """Every round's runs by connections and name, and its streams by name."""
    unary: dict[int, dict[str, list[Run]]] = {count: {one.name: [] for one in gateways} for count in CONNECTIONS}
    flows: dict[str, list[Flow]] = {one.name: [] for one in gateways if one.name != DIRECT}
    for gateway in gateways:
        warm = unary_load(gateway.target, UNARY, connections=max(CONNECTIONS), requests=WARM_UP_REQUESTS)
        await answered(gateway.name, "the warm-up", warm)
        await stream_run(gateway, WARM_UP_STREAMS)
    for number in range(rounds):
        for count in CONNECTIONS:
            for gateway in gateways:
                ours = beside if gateway.name == BASE else ()
                unary[count][gateway.name].append(
                    await unary_run(gateway, ours, count, max(count, int(requests * SHARE[count])))
                )
        for gateway in gateways:
            if gateway.name != DIRECT:
                flows[gateway.name].append(await stream_run(gateway, STREAMS))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return unary, flows


@contextmanager
def all_started(upstream: Served, others: Sequence[str]) -> Iterator[tuple[list[Gateway], list[int]]]:
    """The stub itself, MetaQore and the others, and the processes of MetaQore's other parts, until the block ends."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="metaqore-bench-"))
        mesh = stack.enter_context(stub_mesh(upstream, Path(directory)))
        target = Target(mesh.rest_port, mesh.api_key)
        gateways = [
            Gateway(BASE, version("metaqore-ai-gateway"), target, mesh.gateway_pid),
            *(stack.enter_context(OTHERS[name](upstream)) for name in others),
        ]
        known = read_mesh(mesh.run_dir)
        parts = tree(known.supervisor.pid, *(part.process.pid for part in known.parts if part.process))
        for gateway in gateways:
            keep_on_core(GATEWAY_CORE, tree(gateway.pid))
        keep_on_core(LOAD_CORE, [upstream.pid, os.getpid()])  # last: a process lends no core that it left
        direct = Gateway(DIRECT, "", Target(upstream.port), upstream.pid)
        yield [direct, *gateways], sorted(parts - tree(mesh.gateway_pid))


def main() -> int:
    """Measure, show, and end with one line of JSON; the status is 1 where a gateway did not start or failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_500, help="a round, at 64 connections; fewer at 1 and 16")
    parser.add_argument("--rounds", type=int, default=3, help="how often each takes its turn (3)")
    parser.add_argument("--without", nargs="*", choices=sorted(OTHERS), default=[], help="leave these out")
    arguments = parser.parse_args()
    started = time.perf_counter()
    try:
        with (
            stub_upstream() as upstream,
            all_started(upstream, [name for name in OTHERS if name not in arguments.without]) as (gateways, beside),
        ):
            unary, flows = uvloop.run(measure(gateways, beside, arguments.requests, arguments.rounds))
    except (StartError, RequestError) as error:
        print(error, file=sys.stderr)
        return 1
    rows = {
        count: {name: row(runs, named[DIRECT], named[BASE]) for name, runs in named.items() if name != DIRECT}
        for count, named in unary.items()
    }
    flow_rows = {name: flow_row(runs, flows[BASE]) for name, runs in flows.items()}
    versions = {gateway.name: gateway.version for gateway in gateways if gateway.version}
    print(
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}; medians of {arguments.rounds} rounds\n"
    )
    print(table(rows))
    print(f"{flow_table(flow_rows)}   ({STREAMS} streams of {FRAMES} frames, one each 50 ms)\n")
    ours = rows[max(CONNECTIONS)][BASE]
    print(
        f"{BASE}'s other parts, at {max(CONNECTIONS)} connections: {ours.beside_cpu_ms:.3f} ms of CPU more for each "
        f"request, {ours.beside_mib:.0f} MiB"
    )
    print(
        json.dumps(
            {
                "versions": versions,
                "rounds": arguments.rounds,
                "requests": arguments.requests,
                **as_json(rows, flow_rows),
                "metaqore_other_parts_cpu_ms_per_request": round(ours.beside_cpu_ms, 4),
                "metaqore_other_parts_rss_mib": round(ours.beside_mib, 1),
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
