"""What must hold for the mesh as a whole: nothing leaks, nothing is lost over a restart, nothing outlives it."""

import os
import secrets
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from running_mesh import eventually, running_mesh


def chat(mesh, text, **rest):
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": text}], "max_tokens": 3, **rest}
    headers = {"authorization": f"Bearer {mesh.api_key}"}
    return httpx.post(mesh.endpoints["rest"] + "/v1/chat/completions", json=body, headers=headers, timeout=60)


def test_a_secret_in_a_prompt_is_nowhere_afterwards(mesh):
    marker = "zq" + secrets.token_hex(12)
    secret = "ghp_" + secrets.token_urlsafe(40).replace("-", "a").replace("_", "b")[:36]
    assert chat(mesh, f"{marker} please").status_code == 200
    assert chat(mesh, f"{marker} {secret}").status_code == 403
    assert chat(mesh, f"{marker} {secret}", model="gpt-unknown").status_code == 404
    mesh.run("task", "submit", f"{marker} {secret}", check=False)
    time.sleep(2)
    metrics = httpx.get(f"http://{mesh.endpoints['metrics']}/metrics").text
    listed = mesh.run("audit", "tail", "-n", "1000", "--json").stdout + mesh.run("task", "list", "--json").stdout
    for text in (metrics, listed):
        assert marker not in text
        assert secret not in text
    needles = (marker.encode(), secret.encode(), mesh.api_key.encode())
    for file in mesh.run_dir.rglob("*"):
        if file.is_file() and file.name != "api-key":
            content = file.read_bytes()
            assert not any(needle in content for needle in needles), file


def test_secret_files_are_private(mesh):
    private = [mesh.run_dir / "api-key", *(mesh.run_dir / "keys").iterdir()]
    assert {oct(file.stat().st_mode & 0o777) for file in private} == {"0o600"}


@pytest.mark.slow
def test_everything_but_topics_survives_a_restart(tmp_path):
    with running_mesh(tmp_path) as mesh:
        first = mesh.json("task", "submit", "Hi", "--max-tokens", "2")
        key = mesh.json("key", "create", "kept")
        mesh.down()
        assert mesh.run("status", check=False).returncode != 0
        mesh.up()
        assert mesh.json("task", "show", first["task"])["state"] == "done"
        assert mesh.json("audit", "verify", first["receipt_token"])["verified"] == 1
        assert key["key"] in [k["key"] for k in mesh.json("key", "list")]
        mesh.json("task", "submit", "Hi again", "--max-tokens", "2")
        assert mesh.json("audit", "verify", "--all")["faults"] == []


@pytest.mark.slow
def test_down_finishes_what_runs(tmp_path):
    with running_mesh(tmp_path) as mesh, ThreadPoolExecutor() as threads:
        # Drawn by chance, a story may be a line.
        running = threads.submit(chat, mesh, "Tell me a very long story.", max_tokens=100, temperature=0)
        eventually(lambda: [t for t in mesh.json("task", "list") if t["state"] == "running"])
        mesh.down()
        assert running.result().json()["usage"]["completion_tokens"] == 100


@pytest.mark.slow
def test_when_the_supervisor_is_killed_its_parts_die_with_it(tmp_path):
    with running_mesh(tmp_path) as mesh:
        status = mesh.status
        pids = [part["pid"] for part in status["parts"]]
        os.kill(status["supervisor_pid"], signal.SIGKILL)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in pids))
        mesh.up()
        assert mesh.json("audit", "verify", "--all")["faults"] == []


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_part_that_dies_comes_back(tmp_path):
    with running_mesh(tmp_path) as mesh:
        for name in ("inference", "compliance-auditor", "ai-gateway", "broker", "postgres"):
            pid = next(part["pid"] for part in mesh.status["parts"] if part["name"] == name)
            os.kill(pid, signal.SIGKILL)
            eventually(partial(_is_back, mesh, name, pid), within_s=120)
            eventually(partial(_answers, mesh), within_s=120)
        eventually(lambda: mesh.json("audit", "verify", "--all")["without_outcome"] == 0)
        assert mesh.json("audit", "verify", "--all")["faults"] == []


def _is_back(mesh, name, pid):
    parts = mesh.status["parts"]
    return all(part["ready"] and (part["name"], part["pid"]) != (name, pid) for part in parts)


def _answers(mesh):
    return mesh.run("task", "submit", "Hi", "--max-tokens", "2", check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["enterprise", "compliance_local_only"])
def test_the_policy_may_be_set_by_a_variable(tmp_path, policy):
    with running_mesh(tmp_path, METAQORE_SECURE_GATEWAY_POLICY=policy) as mesh:
        shown = mesh.json("task", "submit", "Hi", "--max-tokens", "2")
        assert shown["policy"].startswith(policy.split("_")[0])
