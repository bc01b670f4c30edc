"""Proposals through gRPC into one project, their conflict check, what they cost as it grows, and its past.

    python benchmarks/bench_psmp.py [--artifacts 100000] [--plot docs/psmp-growth.svg]

The mesh runs as `metaqore up` starts it: every proposal is authenticated, decided, on a durable record, its body sealed
and stored, its conflicts judged, and its receipt signed. Projects are filled through the service's own deciders and
writer. Beside it, before and after, the same calls go to a bare loop of grpc.aio and asyncpg that keeps their bodies in
the same server of PostgreSQL, with nothing in between. CPU is that of the whole process of the service and of all
processes of the database. The past is read from a server that was started anew and whose files the kernel was made to
forget.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import uvloop
from psmp_cold import cold_pool
from psmp_growth import Growth, draw, measure_growth
from psmp_mesh import Mesh, running_mesh
from psmp_seed import EVENTS_EACH, Declarations, SeededProject
from psmp_store import Times, check, page_of_the_past
from psmp_writers import WRITERS, Load, Proposed, mean, open_bare_load, open_load

from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import GATEWAY, with_database
from metaqore_mesh.embedded.postgres import ADMIN

SMALL: Final = 10_000
EVENTS: Final = 100_000
PROPOSALS: Final = 4_000
WARM_UP: Final = 1_000
CHECKS: Final = 1_000
COLD_STARTS: Final = 9
MARK_PER_S: Final = 500.0
MARK_CHECK_MS: Final = 5.0
MARK_GROWTH: Final = 1.3
MARK_PAST_MS: Final = 200.0


@dataclass(slots=True)
class Figures:
    """What was measured."""

    rate: Proposed
    bare: Mapping[bool, Proposed]
    """By whether all that wait share a transaction."""
    checked: Times
    checked_cold: Times
    growth: Growth
    past_ms: list[float] = field(default_factory=list)


async def measure(mesh: Mesh, sizes: list[int]) -> tuple[Figures, SeededProject, int]:
    """All that needs the mesh; the project with about `EVENTS` events, and how many it has."""
    async with open_load(mesh) as load, open_pool(mesh.database_url, name="bench", size=2) as pool:
        admin = await asyncpg.connect(with_database(mesh.postgres.url("postgres", role=ADMIN), GATEWAY))
        try:
            projects = await _filled(load, PostgresProjectStore(pool), admin, sizes)
        finally:
            await admin.close()
        small = projects[SMALL]
        await load.propose(small.id, small.declarations, WARM_UP)
        before = await _bare(mesh, small)
        rate = await load.propose(small.id, small.declarations, PROPOSALS)
        after = await _bare(mesh, small)
        bare = {shared: mean(before[shared], after[shared]) for shared in before}
        growth = await measure_growth(load, projects)
        checked = await check(small, CHECKS, remembering=True)
        checked_cold = await check(small, CHECKS, remembering=False)
        of_events = projects[min(projects, key=lambda size: abs(size * EVENTS_EACH - EVENTS))]
        return Figures(rate, bare, checked, checked_cold, growth), of_events, await of_events.newest()


async def _bare(mesh: Mesh, project: SeededProject) -> Mapping[bool, Proposed]:
    """What the same proposals cost where nothing is governed."""
    found = {}
    for shared in (False, True):
        async with open_bare_load(mesh, shared=shared) as load:
            await load.propose(project.id, project.declarations, WARM_UP)
            found[shared] = await load.propose(project.id, project.declarations, PROPOSALS)
    return found


async def _filled(
    load: Load, store: PostgresProjectStore, admin: asyncpg.Connection[asyncpg.Record], sizes: list[int]
) -> Mapping[int, SeededProject]:
    projects = {}
    for size in sizes:
        began = time.perf_counter()
        id_ = await load.create_project(f"of {size}")
        organization = await admin.fetchval("select organization from psmp_projects where project = $1", id_)
        projects[size] = SeededProject(store, organization, id_, Declarations(id_))
        await projects[size].fill(size)
        print(f"filled a project with {size:,} artifacts in {time.perf_counter() - began:.0f} s", flush=True)
    # What autovacuum and the checkpointer do in their own time, done now and not in what is measured next.
    await admin.execute("vacuum analyze", timeout=600)
    await admin.execute("checkpoint", timeout=600)
    return projects


async def measure_past(mesh: Mesh, project: SeededProject, newest: int) -> list[float]:
    """Milliseconds for a page, each after a start of the server."""
    chance, found = random.Random(4), []
    for _ in range(COLD_STARTS):
        async with cold_pool(mesh.postgres, mesh.run_dir / "cold.log") as pool:
            found.append(await page_of_the_past(pool, project, newest, chance))
    return found


def show(figures: Figures) -> None:
    """The table for a person."""
    rate, growth = figures.rate, figures.growth
    print(f"{f'{WRITERS} writers, {SMALL:,} artifacts':<34}{'per s':>10}{'p50 ms':>10}{'p99 ms':>10}", end="")
    print(f"{'service us':>12}{'database us':>13}")
    bare, shared = figures.bare[False], figures.bare[True]
    for what, one in (("proposals", rate), ("bare writes", bare), ("bare writes that share", shared)):
        times = Times(one.each_ms)
        print(f"{f'  {what}':<34}{one.per_s:>10,.0f}{times.p50_ms:>10.1f}{times.p99_ms:>10.1f}", end="")
        print(f"{one.service_us:>12,.0f}{one.database_us:>13,.0f}")
    for what, checked in (("the check alone", figures.checked), ("nothing remembered", figures.checked_cold)):
        print(f"{f'  {what}':<34}{'':>10}{checked.p50_ms:>10.2f}{checked.p99_ms:>10.2f}")
    print(f"a proposal takes {rate.both_us / shared.both_us:.1f} times the CPU of a bare write that shares, ", end="")
    print(f"{rate.both_us / bare.both_us:.1f} times that of one with a transaction of its own")
    print("CPU of a proposal")
    for size in sorted(growth.gateway_us):
        print(f"{f'  among {size:,} artifacts':<64}", end="")
        print(f"{growth.gateway_us[size]:>12,.0f}{growth.database_us[size]:>13,.0f}")
    past = sorted(figures.past_ms)
    print(f"a page of the past, cold: {statistics.median(past):.0f} ms, at worst {past[-1]:.0f} ms of {len(past)}")
    print(
        f"marks: at least {MARK_PER_S:g} proposals/s, at most {MARK_CHECK_MS:g} ms a check (p99), "
        f"{MARK_GROWTH:g} times the cost among ten times as many, {MARK_PAST_MS:g} ms for the past"
    )


def main() -> int:
    """Measure, show, draw, and end with one line of JSON; the status is 1 where a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=int, default=100_000, help="in the largest project; at least 20,000")
    parser.add_argument("--plot", type=Path, help="where to draw the growth, as SVG")
    arguments = parser.parse_args()
    large = max(arguments.artifacts, 2 * SMALL)
    sizes = sorted({SMALL // 10, SMALL, large // 3 + 1, large})
    with tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory:
        with running_mesh(Path(directory)) as mesh:
            figures, of_events, newest = uvloop.run(measure(mesh, sizes))
        figures.past_ms = asyncio.run(measure_past(mesh, of_events, newest))
    show(figures)
    if arguments.plot:
        draw(figures.growth, arguments.plot)
    result = {
        "proposals_per_s": round(figures.rate.per_s, 1),
        "conflict_check_p99_ms_at_10k": round(figures.checked.p99_ms, 2),
        "cold_check_p99_ms_at_10k": round(figures.checked_cold.p99_ms, 2),
        "cost_100k_over_10k": round(figures.growth.ratio(large, SMALL), 3),
        "state_at_100k_events_ms": round(statistics.median(figures.past_ms), 1),
        "gateway_cpu_us_per_proposal": round(figures.rate.service_us),
        "database_cpu_us_per_proposal": round(figures.rate.database_us),
        "bare_per_s": round(figures.bare[False].per_s, 1),
        "bare_shared_per_s": round(figures.bare[True].per_s, 1),
        "over_bare": round(figures.rate.per_s / figures.bare[False].per_s, 3),
        "over_bare_shared": round(figures.rate.per_s / figures.bare[True].per_s, 3),
        "proposal_p99_ms": round(Times(figures.rate.each_ms).p99_ms, 1),
        "artifacts_in_the_largest": large,
    }
    print(json.dumps(result))
    met = (
        result["proposals_per_s"] >= MARK_PER_S
        and result["conflict_check_p99_ms_at_10k"] <= MARK_CHECK_MS
        and result["cost_100k_over_10k"] <= MARK_GROWTH
        and result["state_at_100k_events_ms"] <= MARK_PAST_MS
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
