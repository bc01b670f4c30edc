import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
from looking import until

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.control import status, stop
from metaqore_mesh.embedded.mesh_file import MeshState, Process, read_mesh
from metaqore_mesh.embedded.part import PartState


def pid_of(run, name):
    process = next(part.process for part in read_mesh(run.path).parts if part.name == name)
    return process and process.pid


def is_running(run):
    mesh = read_mesh(run.path) if run.mesh_json.exists() else None
    return mesh if mesh and mesh.state is MeshState.RUNNING else None


async def test_parts_start_in_order_and_stop_in_reverse(supervising, run, script):
    async with supervising(script("one"), script("two"), endpoints={"rest": "http://127.0.0.1:1"}) as watched:
        mesh = read_mesh(run.path)
        assert mesh.state is MeshState.RUNNING
        assert mesh.endpoints == {"rest": "http://127.0.0.1:1"}
        assert mesh.supervisor == Process.of(os.getpid())
        pids = [pid_of(run, "one"), pid_of(run, "two")]
    told = [(told.part, told.state) for told in watched.told]
    assert told.index(("one", PartState.READY)) < told.index(("two", PartState.STARTING))
    assert told.index(("two", PartState.STOPPED)) < told.index(("one", PartState.STOPPING))
    assert [Process.of(pid) for pid in pids] == [None, None]
    assert read_mesh(run.path).state is MeshState.STOPPED


async def test_a_part_that_dies_is_started_again_after_a_growing_wait(supervising, run, script):
    async with supervising(script("one"), script("two")) as watched:
        for death in (1, 2, 3):
            os.kill(pid_of(run, "one"), signal.SIGKILL)
            await until(lambda death=death: watched.readied("one", death + 1))
        waits = [told.seconds for told in watched.told if told.state is PartState.RESTARTING]
        assert waits == [0.05, 0.1, 0.2]
        assert watched.states("two").count(PartState.STARTING) == 1
        assert next(part.restarts for part in read_mesh(run.path).parts if part.name == "one") == 3


async def test_a_part_that_dies_is_started_again_though_nobody_can_be_told(supervising, run, script):
    async with supervising(script("one")) as watched:
        watched.cannot_be_told = OSError(errno.ENOSPC, "No space left on device")
        for death in (1, 2):
            os.kill(pid_of(run, "one"), signal.SIGKILL)
            await until(lambda death=death: watched.readied("one", death + 1), looks=500)
    assert read_mesh(run.path).state is MeshState.STOPPED


async def test_the_rest_of_a_dead_parts_group_dies_too(supervising, run, tmp_path, script):
    child = tmp_path / "child"
    code = textwrap.dedent(f"""
        import os, pathlib, time
        if pid := os.fork():
            pathlib.Path({str(child)!r}).write_text(str(pid))
        time.sleep(600)
    """)
    async with supervising(script("one", code)):
        grandchild = int(await until(lambda: child.exists() and child.read_text()))
        os.kill(pid_of(run, "one"), signal.SIGKILL)
        await until(lambda: Process.of(grandchild) is None)


async def test_a_part_that_does_not_become_ready_shows_the_end_of_its_log(supervising, run, script):
    bad = script("two", "print('no such model'); raise SystemExit(3)", probe="tcp://127.0.0.1:1")
    with pytest.raises(MetaQoreError, match=r"(?s)two did not start: ended with status 3\..*no such model"):
        async with supervising(script("one"), bad):
            pass
    assert read_mesh(run.path).state is MeshState.STOPPED
    assert pid_of(run, "one") is None


async def test_a_part_that_says_why_it_refuses_is_quoted(supervising, script):
    code = """print('{"event": "service.refused", "reason": "Give it a key."}'); print("bye"); raise SystemExit(1)"""
    with pytest.raises(MetaQoreError, match=r"^one did not start: Give it a key\.$"):
        async with supervising(script("one", code, probe="tcp://127.0.0.1:1")):
            pass


async def test_a_long_refusal_is_quoted_whole(supervising, script):
    code = """print('{"event": "service.refused", "reason": "' + "x" * 5000 + '."}'); raise SystemExit(1)"""
    with pytest.raises(MetaQoreError, match=r"^one did not start: x{5000}\.$"):
        async with supervising(script("one", code, probe="tcp://127.0.0.1:1")):
            pass


async def test_what_a_part_said_when_it_was_started_before_is_not_its_reason_now(supervising, run, script):
    log = run.log_of("one")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text('{"event": "service.refused", "reason": "Give it a key."}\n')
    bad = script("one", "print('no such model'); raise SystemExit(3)", probe="tcp://127.0.0.1:1")
    with pytest.raises(MetaQoreError, match=r"(?s)one did not start: ended with status 3\..*:\nno such model$"):
        async with supervising(bad):
            pass


async def test_what_must_settle_is_tried_until_it_does(supervising, script):
    tries = []

    async def settle():
        tries.append(1)
        if len(tries) < 3:
            raise MetaQoreError("not_yet", "not yet", kind=ErrorKind.UNAVAILABLE, retryable=True)

    async with supervising(script("one", settle=settle)):
        assert len(tries) == 3


async def test_a_part_that_ignores_its_signal_is_killed_after_its_time(supervising, tmp_path, script):
    mark = tmp_path / "deaf"
    code = f"import signal, pathlib, time; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(mark)!r}).touch()"
    async with supervising(script("one", f"{code}; time.sleep(600)", stop_timeout_s=0.2)) as watched:
        await until(mark.exists)
    assert watched.told[-1].reason == "killed after 0.2 s"


async def test_a_second_request_to_stop_kills(supervising, tmp_path, script):
    mark = tmp_path / "deaf"
    code = f"import signal, pathlib, time; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(mark)!r}).touch()"
    async with supervising(script("one", f"{code}; time.sleep(600)", stop_timeout_s=60)) as watched:
        await until(mark.exists)
        watched.supervisor.request_stop()
        await asyncio.sleep(0.1)


async def test_a_held_port_is_told_with_its_holder_and_what_moves_ours(supervising, script):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        expected = rf"Port {port} is held by process {os.getpid()} \(.*METAQORE_X__PORT takes another"
        with pytest.raises(MetaQoreError, match=expected):
            async with supervising(script("one", ports={"METAQORE_X__PORT": port})):
                pass


async def test_a_run_directory_has_one_supervisor(supervising, run, script):
    async with supervising(script("one")):
        with pytest.raises(MetaQoreError, match=f"Process {os.getpid()} already runs a mesh"):
            async with supervising(script("two")):
                pass
        assert (await status(run.path)).healthy


async def test_a_part_that_says_that_it_is_dead_is_started_again(supervising, monkeypatch, script):
    monkeypatch.setattr("metaqore_mesh.embedded.keeper._LIVENESS_EVERY_S", 0.05)
    server = """
        import http.server, json, sys
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                ok = self.path.endswith("ready")
                body = json.dumps({"checks": {"spool": {"ok": ok, "reason": None if ok else "EIO"}}}).encode()
                self.send_response(200 if ok else 503); self.end_headers(); self.wfile.write(body)
        http.server.HTTPServer(("127.0.0.1", PORT), Answer).serve_forever()
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = textwrap.dedent(server).replace("PORT", str(port))
    async with supervising(script("one", code, probe=f"http://127.0.0.1:{port}/healthz/ready")) as watched:
        await until(lambda: watched.readied("one", 2))
    assert next(told.reason for told in watched.told if told.state is PartState.RESTARTING) == "spool: EIO"


APART = """
import asyncio, signal, sys
from pathlib import Path
from metaqore_mesh.embedded.part import Part
from metaqore_mesh.embedded.supervisor import Supervisor
from metaqore_mesh.embedded.tied import tied
from metaqore_mesh.run_directory import RunDirectory

async def command():
    return tied([sys.executable, "-c", "import time; time.sleep(600)"], death_signal=signal.SIGKILL)

async def main():
    supervisor = Supervisor([Part("one", command), Part("two", command)], RunDirectory(Path(sys.argv[1])))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, supervisor.request_stop)
    await supervisor.run()

asyncio.run(main())
"""


@pytest.fixture
def apart(run):
    """A supervisor in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", APART, str(run.path)])
    yield process
    process.kill()
    process.wait()


async def test_a_killed_supervisor_takes_its_parts_along(apart, run, supervising, script):
    mesh = await until(lambda: is_running(run))
    apart.kill()
    apart.wait()
    for part in mesh.parts:
        await until(lambda part=part: not part.process.alive())
    assert (await status(run.path)).mesh.state is MeshState.STOPPED
    async with supervising(script("one")):
        assert (await status(run.path)).healthy


async def test_a_mesh_is_stopped_from_outside(apart, run):
    await until(lambda: is_running(run))
    assert (await status(run.path)).healthy
    await stop(run.path, 10)
    assert apart.wait(5) == 0
    with pytest.raises(MetaQoreError, match="No mesh runs"):
        await stop(run.path, 1)


async def test_a_file_of_another_version_says_what_to_do(run):
    run.create()
    run.mesh_json.write_text('{"version": 0}')
    with pytest.raises(MetaQoreError, match="remove the file"):
        await status(run.path)


async def test_there_is_no_status_where_no_mesh_ever_was(tmp_path):
    with pytest.raises(MetaQoreError, match="No mesh runs"):
        await status(tmp_path)
