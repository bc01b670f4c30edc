import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.embedded.asking import ask
from metaqore_mesh.embedded.control import PartStatus
from metaqore_mesh.health import Health
from metaqore_mesh.ports import free_ports
from metaqore_mesh.probes import serve_probes

SERVICE = """
import asyncio, sys
from contextlib import asynccontextmanager
from metaqore_mesh.service import run_service
from metaqore_mesh.settings import TelemetrySettings

@asynccontextmanager
async def start(health):
    {entering}
    try:
        async with asyncio.TaskGroup() as tasks:
            {within}
            yield
    finally:
        {leaving}
        print("drained", flush=True)

settings = TelemetrySettings(metrics_port=int(sys.argv[1]))
sys.exit(run_service("sample", settings, start, drain_timeout_s={drain_s}))
"""


@pytest.fixture
def port():
    return free_ports(1)[0]


@pytest.fixture
def service(port):
    started = []

    def start(entering="pass", within="pass", leaving="pass", drain_s=5):
        code = SERVICE.format(entering=entering, within=within, leaving=leaving, drain_s=drain_s)
        command = [sys.executable, "-c", code, str(port)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def got(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["content-type"], answer.read().decode()


async def until_status(port, path, status):
    for _ in range(200):
        try:
            if (answer := await asyncio.to_thread(got, port, path))[0] == status:
                return answer
        except urllib.error.URLError:
            pass
        await asyncio.sleep(0.03)
    raise AssertionError(f"{path} never answered {status}")


async def test_it_is_ready_until_it_is_told_to_stop_and_then_drains(service, port):
    process = service(leaving="await asyncio.sleep(0.5)")
    await until_status(port, "/healthz/ready", 200)
    process.send_signal(signal.SIGTERM)
    _, _, body = await until_status(port, "/healthz/ready", 503)
    assert json.loads(body)["checks"]["service"] == {"ok": False, "reason": "draining"}
    assert got(port, "/healthz/live")[0] == 200
    assert await asyncio.to_thread(process.wait, 5) == 0
    assert "drained" in process.stdout.read()


async def test_it_is_alive_but_not_ready_while_it_starts(service, port):
    process = service(entering="await asyncio.sleep(30)")
    _, _, body = await until_status(port, "/healthz/ready", 503)
    assert json.loads(body)["checks"]["service"]["reason"] == "starting"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 5) == 0


async def test_a_background_task_that_fails_ends_it_after_its_clean_up(service):
    process = service(within="tasks.create_task(asyncio.wait_for(asyncio.Event().wait(), 0.1))")
    assert await asyncio.to_thread(process.wait, 10) == 1
    assert "drained" in process.stdout.read()


async def test_a_drain_has_its_limit(service, port):
    process = service(leaving="await asyncio.sleep(30)", drain_s=0.2)
    await until_status(port, "/healthz/ready", 200)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 5) == 1


async def test_a_second_signal_ends_it_at_once(service, port):
    process = service(leaving="await asyncio.sleep(30)")
    await until_status(port, "/healthz/ready", 200)
    process.send_signal(signal.SIGTERM)
    await until_status(port, "/healthz/ready", 503)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 5) == 128 + signal.SIGTERM


async def test_a_held_metrics_port_is_told_without_a_stack_trace(service, port):
    with socket.create_server(("127.0.0.1", port)):
        process = service()
        assert await asyncio.to_thread(process.wait, 5) == 1
        told = process.stdout.read()
    assert "service.refused" in told
    assert "Traceback" not in told


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    Counter("metaqore_sample_tasks", "Tasks.", registry=registry).inc(3)
    return registry


async def test_the_probes_say_which_check_fails_and_why(registry):
    health = Health()
    health.add_liveness("spool", lambda: None)
    health.add_readiness("database", lambda: "connection refused")
    health.add_readiness("broken", lambda: 1 / 0)
    async with serve_probes(health, "127.0.0.1", 0, registry=registry) as port:
        ready = await asyncio.to_thread(got, port, "/healthz/ready")
        live = await asyncio.to_thread(got, port, "/healthz/live?verbose=1")
    assert ready[0] == 503
    assert {name: check["reason"] for name, check in json.loads(ready[2])["checks"].items()} == {
        "spool": None,
        "database": "connection refused",
        "broken": "ZeroDivisionError: division by zero",
    }
    assert (live[0], json.loads(live[2])["ok"]) == (200, True)


async def test_a_notice_is_told_and_makes_nobody_unready(registry):
    health = Health()
    health.add_readiness("spool", lambda: None)
    health.add_notice("broker", lambda: "no connection")
    async with serve_probes(health, "127.0.0.1", 0, registry=registry) as port:
        told = await ask(f"http://127.0.0.1:{port}/healthz/ready")
        live = json.loads((await asyncio.to_thread(got, port, "/healthz/live"))[2])
    assert told.reason is None
    assert told.notices == {"broker": {"ok": False, "reason": "no connection"}}
    assert PartStatus(None, None, {}, told.notices).told == ["broker: no connection"]
    assert "notices" not in live


async def test_who_is_not_alive_is_not_ready():
    health = Health()
    health.add_liveness("spool", lambda: "EIO")
    assert await health.readiness() == {"spool": "EIO"}


async def test_a_check_may_wait_but_not_for_ever(monkeypatch):
    monkeypatch.setattr("metaqore_mesh.health.CHECK_TIMEOUT_S", 0.05)
    health = Health()
    health.add_readiness("hangs", asyncio.Event().wait)
    assert await health.readiness() == {"hangs": "no answer within 0.05 s"}


async def test_metrics_are_prometheus_text(registry):
    async with serve_probes(Health(), "127.0.0.1", 0, registry=registry) as port:
        status, content_type, body = await asyncio.to_thread(got, port, "/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert "metaqore_sample_tasks_total 3.0" in body


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"GET / HTTP/1.1\r\n\r\n", b"404"), (b"\x16\x03\x01" * 8000, b"")],
)
async def test_other_requests_are_turned_away(sent, status):
    async with serve_probes(Health(), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = await reader.read()
        assert answer[9:12] == status
        writer.close()


async def test_a_held_port_names_its_holder():
    with socket.create_server(("127.0.0.1", 0)) as held:
        probes = serve_probes(Health(), "127.0.0.1", held.getsockname()[1])
        with pytest.raises(MetaQoreError, match="METAQORE_TELEMETRY__METRICS_PORT"):
            await probes.__aenter__()
