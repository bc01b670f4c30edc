"""What is asked of `metaqore task`, before and after the mesh is."""

import json

import pytest

from metaqore.gateway.v1 import gateway_pb2 as gateway


def test_a_prompt_is_text(metaqore, mesh):
    done = metaqore("task", "submit", "--file", "-", stdin=b"\xce\xff")
    assert done.code == 2
    assert "cannot be read" in done.err
    assert not mesh.asked


@pytest.mark.parametrize("key", ["ключ", "mq_one\nmq_two"])
def test_what_no_key_can_be_is_told_before_it_is_sent(metaqore, mesh, monkeypatch, key):
    monkeypatch.setenv("METAQORE_API_KEY", key)
    done = metaqore("task", "list")
    assert done.error.code == "invalid_api_key"
    assert "METAQORE_API_KEY" in done.error.message
    assert not mesh.asked


def test_a_mesh_that_was_stopped_is_told_as_that(metaqore, monkeypatch, tmp_path):
    for name in ("METAQORE_GATEWAY_ENDPOINT", "METAQORE_API_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path))
    (tmp_path / "mesh.json").write_text('{"endpoints": {"grpc": "127.0.0.1:1"}, "api_key_file": "-"}')
    done = metaqore("task", "list")
    assert done.error.code == "mesh_not_running"
    assert "metaqore up" in done.error.message


def test_what_is_not_known_of_a_task_is_left_empty(metaqore, mesh, monkeypatch):
    monkeypatch.setattr("metaqore_cli.output.screen.width", 200)
    mesh.answers["ListTasks"] = gateway.ListTasksResponse(tasks=[gateway.Task(id="019a", model="a-model")])
    [row] = [line for line in metaqore("task", "list").out.splitlines() if "019a" in line]
    assert "0 + 0" not in row
    assert "0.00" not in row


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["task", "submit", "Hello"], id="task submit"),
        pytest.param(["task", "list"], id="task list"),
        pytest.param(["task", "show", "019a"], id="task show"),
        pytest.param(["key", "create", "ann"], id="key create"),
        pytest.param(["key", "list"], id="key list"),
        pytest.param(["key", "revoke", "key_1"], id="key revoke"),
        pytest.param(["audit", "tail"], id="audit tail"),
        pytest.param(["audit", "proof", "019a"], id="audit proof"),
        pytest.param(["audit", "verify", "019a"], id="audit verify"),
        pytest.param(["audit", "verify", "--all"], id="audit verify --all"),
        pytest.param(["down"], id="down"),
    ],
)
def test_an_error_is_told_as_json_to_who_asked_for_json(metaqore, mesh, monkeypatch, tmp_path, words):
    mesh.answers["SubmitTask"] = lambda _: 1 / 0  # an answer without a receipt in its head: nothing was decided
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path))
    for stands in (True, False):
        if not stands:
            monkeypatch.delenv("METAQORE_GATEWAY_ENDPOINT")
        done = metaqore(*words, "--json")
        assert json.loads(done.out)["error"]["code"] == done.error.code
