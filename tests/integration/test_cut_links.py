"""A mesh on a broker and a database of one's own, whose links are slowed and cut.

Tasks through REST need neither: they are answered all the while, and nothing of them is lost afterwards.
"""

import asyncio
import subprocess
import time

import asyncpg
import httpx
import pytest

from metaqore_mesh.embedded.broker import EmbeddedBroker
from metaqore_mesh.embedded.databases import GATEWAY, working_roles
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres
from metaqore_mesh.ports import free_ports
from running_mesh import eventually, running_mesh
from toxiproxy import VENDORED, toxiproxy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VENDORED.is_dir(), reason="toxiproxy is not here"),
    pytest.mark.timeout(600),
]

CUT_FOR_S = 6
# A task that waited on a slow link even once is later than its client waits, however fast or slow the machine is.
DELAY_S = 60
ANSWERED_WITHIN_S = 30
SEALED_WITHIN_S = 180
PASSWORD = "mesh-password"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    with toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as running:
        yield running


@pytest.fixture(scope="module")
def database(proxy, tmp_path_factory):
    upstream, listen = free_ports(2)
    directory = tmp_path_factory.mktemp("own-postgres") / "cluster"
    postgres = EmbeddedPostgres(directory, upstream)
    asyncio.run(postgres.prepare())
    with subprocess.Popen(postgres.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: asyncio.run(postgres.unready()) is None)
        asyncio.run(_give_a_role(postgres))
        yield proxy.link("postgres", listen, upstream)
        process.terminate()


async def _give_a_role(postgres):
    with (postgres.directory / "pg_hba.conf").open("a") as file:
        file.write("host all mesh 127.0.0.1/32 scram-sha-256\n")
    connection = await asyncpg.connect(postgres.url("postgres", role=ADMIN))
    await connection.execute(f"CREATE ROLE mesh LOGIN CREATEDB PASSWORD '{PASSWORD}'")
    for working in working_roles(GATEWAY):  # as an administrator does for a role that may make none
        await connection.execute(f'CREATE ROLE "{working}" NOLOGIN')
        await connection.execute(f'GRANT "{working}" TO mesh WITH INHERIT FALSE, SET TRUE')
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.fixture(scope="module")
def broker(proxy):
    upstream, listen = free_ports(2)
    command = EmbeddedBroker(upstream).command()
    advertised = command.index("--advertised-listener-url") + 1
    command[advertised] = f"tcp://127.0.0.1:{listen}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield proxy.link("broker", listen, upstream)
        process.kill()


@pytest.fixture(scope="module")
def mesh(database, broker, tmp_path_factory):
    variables = {
        "METAQORE_DATABASE__URL": f"postgresql://mesh:{PASSWORD}@{database.address}/postgres",
        "METAQORE_KAFKA__BOOTSTRAP_SERVERS": broker.address,
        "METAQORE_KAFKA__IDEMPOTENT": "false",  # the broker here is the embedded one behind a proxy
    }
    with running_mesh(tmp_path_factory.mktemp("mesh"), **variables) as running:
        yield running


def send(mesh, count=1):
    """Tasks through REST, one after the other, each answered in time; their ids."""
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    url = mesh.endpoints["rest"] + "/v1/chat/completions"
    headers = {"authorization": f"Bearer {mesh.api_key}"}
    tasks = []
    for _ in range(count):
        answer = httpx.post(url, json=body, headers=headers, timeout=ANSWERED_WITHIN_S)
        assert answer.status_code == 200, answer.text
        tasks.append(answer.headers["x-metaqore-task-id"])
    return tasks


def all_sealed_and_listed(mesh, tasks):
    listed = mesh.run("task", "list", "--json", "--limit", "1000", check=False)
    verified = mesh.run("audit", "verify", "--all", "--json", check=False)
    if listed.returncode or verified.returncode:
        return False
    return all(f'"task": "{task}"' in listed.stdout for task in tasks) and '"without_outcome": 0' in verified.stdout


def noticed(mesh, what):
    """What the gateway, which stays ready all the while, says of its database or its broker."""
    [gateway] = [part for part in mesh.status["parts"] if part["name"] == "ai-gateway"]
    assert gateway["ready"], gateway["reason"]
    return gateway["notices"][what]


def test_own_broker_and_database_do(mesh):
    tasks = send(mesh, 2)
    eventually(lambda: all_sealed_and_listed(mesh, tasks), within_s=SEALED_WITHIN_S, every_s=0.5)


@pytest.mark.parametrize("which", ["database", "broker"])
def test_no_task_waits_on_a_slow_link(mesh, request, which):
    link = request.getfixturevalue(which)
    send(mesh)
    link.slow(DELAY_S * 1000)
    try:
        tasks = send(mesh, 5)
    finally:
        link.swift()
    eventually(lambda: all_sealed_and_listed(mesh, tasks), within_s=SEALED_WITHIN_S, every_s=0.5)


@pytest.mark.parametrize("which", ["database", "broker"])
def test_a_cut_link_stops_no_task_and_loses_none(mesh, request, which):
    link = request.getfixturevalue(which)
    tasks = []
    link.cut()
    try:
        eventually(lambda: not noticed(mesh, which)["ok"])
        cut_at = time.monotonic()
        while time.monotonic() - cut_at < CUT_FOR_S:
            tasks += send(mesh)
            time.sleep(0.2)
    finally:
        link.mend()
    eventually(lambda: noticed(mesh, which)["ok"])
    tasks += send(mesh)
    eventually(lambda: all_sealed_and_listed(mesh, tasks), within_s=SEALED_WITHIN_S, every_s=0.5)
