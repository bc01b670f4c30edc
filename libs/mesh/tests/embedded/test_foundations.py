"""The two foreign parts, PostgreSQL and the broker, under the supervisor."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from looking import until

from metaqore_governance_core.contracts.topics import TOPICS
from metaqore_mesh.embedded.control import status
from metaqore_mesh.embedded.databases import AUDITOR, GATEWAY
from metaqore_mesh.embedded.mesh import with_free_ports
from metaqore_mesh.embedded.mesh_file import MeshState, Process, read_mesh
from metaqore_mesh.embedded.part import PartState
from metaqore_mesh.embedded.plan import Plan
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.kafka.topics import Topics
from metaqore_mesh.settings import KafkaSettings


@pytest.fixture
def plan(run, monkeypatch):
    monkeypatch.setenv("METAQORE_RUN_DIR", str(run.path))
    return Plan(with_free_ports(UpSettings()), run)


@pytest.fixture
def foundations(plan):
    return [part for part in plan.parts() if part.name in ("postgres", "broker")]


def process_of(run, name):
    return next(part.process for part in read_mesh(run.path).parts if part.name == name)


def topics(plan):
    return Topics(KafkaSettings(bootstrap_servers=plan.endpoints()["kafka"], embedded=True))


async def entered(plan, database, service):
    url = next(part.environment["METAQORE_DATABASE__URL"] for part in plan.parts() if part.name == service)
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("select current_database()") == database
    finally:
        await connection.close()


async def test_databases_and_topics_are_there_when_they_are_ready(supervising, plan, foundations, run):
    async with supervising(*foundations, before=plan.before):
        assert await entered(plan, GATEWAY, "ai-gateway")
        assert await entered(plan, AUDITOR, "compliance-auditor")
        assert await topics(plan).partitions(TOPICS) == dict.fromkeys(TOPICS, 4)
        assert (await status(run.path)).healthy
        assert run.mesh_token.stat().st_mode & 0o777 == 0o600
        assert len(run.mesh_id.read_text().strip()) == 26


async def test_topics_are_made_again_after_the_broker_alone_died(supervising, plan, foundations, run):
    async with supervising(*foundations) as watched:
        process_of(run, "broker").end(signal.SIGKILL)
        await until(lambda: watched.readied("broker", 2))
        assert set(TOPICS) <= await topics(plan).existing()
        assert watched.states("postgres").count(PartState.RESTARTING) == 0


async def test_the_database_comes_back_after_it_died(supervising, plan, foundations, run):
    async with supervising(*foundations) as watched:
        process_of(run, "postgres").end(signal.SIGKILL)
        await until(lambda: watched.readied("postgres", 2))
        assert await entered(plan, GATEWAY, "ai-gateway")


APART = """
import asyncio, os
from metaqore_mesh.embedded.plan import Plan
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.embedded.supervisor import Supervisor
from metaqore_mesh.run_directory import RunDirectory

settings = UpSettings()
plan = Plan(settings, RunDirectory(settings.run_dir))
parts = [part for part in plan.parts() if part.name in ("postgres", "broker")]
asyncio.run(Supervisor(parts, plan.run).run())
"""


@pytest.fixture
def apart(plan):
    """A supervisor of both in a process of its own."""
    port = str(plan.settings.broker.port)
    process = subprocess.Popen([sys.executable, "-c", APART], env={**os.environ, "METAQORE_BROKER__PORT": port})
    yield process
    process.kill()
    process.wait()


async def test_they_die_with_a_killed_supervisor_and_start_again(apart, plan, foundations, *, run, supervising):
    await until(lambda: run.mesh_json.exists() and read_mesh(run.path).state is MeshState.RUNNING)
    processes = [process_of(run, "postgres"), process_of(run, "broker")]
    backends = [Process.of(pid) for pid in _children(processes[0].pid)]
    assert backends
    apart.kill()
    apart.wait()
    async with supervising(*foundations):
        assert await entered(plan, GATEWAY, "ai-gateway")
        assert not any(process.alive() for process in [*processes, *backends] if process)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
