"""The `metaqore` command against a running mesh."""

import json

import httpx
import pytest

from metaqore_governance_core.checkpoints import Checkpoint, parse_checkpoint, sign_checkpoint
from metaqore_mesh.keys import make_log_key
from metaqore_mesh.run_directory import RunDirectory
from running_mesh import eventually


def test_status_tells_each_parts_health_and_where_the_doors_are(mesh):
    status = mesh.status
    assert set(status["endpoints"]) == {"rest", "grpc", "kafka", "metrics"}
    assert status["endpoints"]["rest"].startswith("http://")
    assert {part["name"] for part in status["parts"]} == {
        "postgres", "broker", "compliance-auditor", "inference", "ai-gateway",
    }  # fmt: skip
    assert all(part["ready"] for part in status["parts"])
    assert "ai-gateway" in mesh.run("status").stdout


def test_a_task_is_submitted_listed_shown_and_proven(mesh):
    done = mesh.json("task", "submit", "What is two plus two?", "--max-tokens", "6", "--sensitivity", "INTERNAL")
    assert done["state"] == "done"
    assert done["answer"]
    assert done["sensitivity"] == "INTERNAL"
    eventually(lambda: done["task"] in [task["task"] for task in mesh.json("task", "list")])
    shown = eventually(lambda: (t := mesh.json("task", "show", done["task"]))["state"] == "done" and t)
    assert shown["receipt"] == done["receipt"]
    assert shown["door"] == "grpc"
    assert 0 < shown["completion_tokens"] <= 6
    assert mesh.json("audit", "verify", done["receipt"])["verified"] == 1
    assert mesh.json("audit", "verify", done["receipt_token"])["verified"] == 1


def test_a_prompt_may_come_from_a_file_and_be_streamed(mesh, tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Name a planet.")
    done = mesh.run("task", "submit", "--stream", "--file", str(prompt), "--max-tokens", "5")
    assert done.stdout.strip()
    assert "receipt" in done.stderr


def test_a_denied_task_says_why(mesh):
    done = mesh.run("task", "submit", "key AKIAQ3EGRZYXN5PMK7VW", check=False)
    assert done.returncode == 3
    assert done.stderr.count("credential_in_prompt") == 1
    assert "receipt" in done.stderr


def test_a_denied_task_has_a_receipt_that_verifies(mesh):
    done = mesh.run("task", "submit", "key AKIAQ3EGRZYXN5PMK7VW", "--json", check=False)
    assert done.returncode == 3
    denied = json.loads(done.stdout)
    assert (denied["state"], denied["error"]["code"]) == ("denied", "credential_in_prompt")
    assert mesh.json("audit", "verify", denied["receipt_token"])["verified"] == 1


def test_a_proof_in_a_file_is_verified_offline_and_a_changed_one_is_not(mesh, tmp_path):
    receipt = mesh.json("task", "submit", "Hi", "--max-tokens", "2")["receipt"]
    proof = tmp_path / "proof.json"
    proof.write_text(mesh.run("audit", "proof", receipt, "--json").stdout)
    offline = mesh.run_dir / "public" / "log.pub"
    assert mesh.json("audit", "verify", str(proof), "--key", str(offline))["verified"] == 1

    changed = tmp_path / "changed.json"
    changed.write_text(proof.read_text().replace('\\"state\\":\\"done\\"', '\\"state\\":\\"failed\\"'))
    assert changed.read_text() != proof.read_text()
    refused = mesh.run("audit", "verify", str(changed), "--json", check=False)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["faults"]


def test_another_key_verifies_nothing(mesh):
    receipt = mesh.json("task", "submit", "Hi", "--max-tokens", "2")["receipt"]
    writer = next((mesh.run_dir / "public" / "writers").glob("*.pub"))
    refused = mesh.run("audit", "verify", receipt, "--key", str(writer), "--json", check=False)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["verified"] == 0


def test_the_whole_log_verifies(mesh):
    mesh.json("task", "submit", "Hi", "--max-tokens", "2")
    result = mesh.json("audit", "verify", "--all")
    assert result["faults"] == []
    assert result["verified"] > 0
    assert result["records"] == result["checkpoint_size"]


def test_a_log_that_grew_is_an_extension_and_one_that_was_longer_is_not(mesh):
    for _ in range(2):
        mesh.json("task", "submit", "Hi", "--max-tokens", "2")
        assert mesh.json("audit", "verify", "--all")["faults"] == []
    run = RunDirectory(mesh.run_dir)
    [seen] = run.seen.glob("*.note")
    note = seen.read_text()
    now = parse_checkpoint(note.rpartition("\n\n")[0] + "\n")
    seen.write_text(sign_checkpoint(Checkpoint(now.origin, now.size + 1000, bytes(32)), make_log_key(run)))
    refused = mesh.run("audit", "verify", "--all", "--json", check=False)
    seen.write_text(note)
    assert refused.returncode == 1
    assert [fault["code"] for fault in json.loads(refused.stdout)["faults"]] == ["log_rolled_back"]


def test_the_tail_of_the_log_shows_decisions_and_outcomes(mesh):
    task = mesh.json("task", "submit", "Hi", "--max-tokens", "2")["task"]

    def kinds():
        lines = mesh.run("audit", "tail", "-n", "50", "--json").stdout.splitlines()
        return {r["kind"] for r in map(json.loads, lines) if r["task"] == task}

    eventually(lambda: kinds() == {"decision", "outcome"})


def test_keys_are_made_used_listed_and_revoked(mesh):
    made = mesh.json("key", "create", "billing-agent", "--scope", "tasks:submit")

    def status():
        body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        headers = {"x-api-key": made["secret"]}
        return httpx.post(
            mesh.endpoints["rest"] + "/v1/chat/completions", json=body, headers=headers, timeout=60
        ).status_code

    eventually(lambda: status() == 200)
    assert made["key"] in [key["key"] for key in mesh.json("key", "list")]
    assert made["secret"] not in mesh.run("key", "list", "--json").stdout
    mesh.json("key", "revoke", made["key"])
    eventually(lambda: status() == 401)


def test_a_key_without_the_scope_is_refused(mesh):
    made = mesh.json("key", "create", "reader", "--scope", "audit:read")
    refused = mesh.run("key", "list", check=True)
    assert refused.returncode == 0
    other = {**mesh.environment, "METAQORE_API_KEY": made["secret"]}
    limited = type(mesh)(mesh.run_dir, other)
    for command in (("key", "list"), ("task", "submit", "Hi"), ("task", "list")):
        done = limited.run(*command, check=False)
        assert done.returncode == 3, done.stderr
        assert "scope" in done.stderr


@pytest.mark.parametrize(
    "command", [(), ("task",), ("key",), ("audit",), ("up",), ("task", "submit"), ("audit", "verify")]
)
def test_help_teaches(mesh, command):
    assert "Usage" in mesh.run(*command, "--help").stdout


def test_without_a_mesh_it_says_what_to_do(mesh, tmp_path):
    nowhere = type(mesh)(tmp_path, {**mesh.environment, "METAQORE_RUN_DIR": str(tmp_path)})
    done = nowhere.run("task", "list", check=False)
    assert done.returncode == 1
    assert "metaqore up" in done.stderr
