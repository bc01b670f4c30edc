"""The story of PSMP: through the command line alone, and with every door telling the same of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from running_mesh import eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STORY = ROOT / "examples" / "psmp_story.py"
BLOCKED = 4
PEOPLE = {"ann": (), "ben": (), "rita": ("role:reviewer",)}


@pytest.mark.timeout(300)
def test_the_story_ends_well():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METAQORE_")}
    done = subprocess.run(
        [sys.executable, STORY], env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for told in ("python_versions", "path_same", "path_case", "40 proposed", "2 stuck: 2 conflict", "without a gap"):
        assert told in done.stdout
    [verified] = [line for line in done.stdout.splitlines() if line.startswith("verified")]
    assert verified.split()[1] == verified.split()[3]


def test_the_guides_snippet_runs(mesh, people):
    [snippet] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "psmp.md").read_text(), re.DOTALL)
    snippet = snippet.replace("mq_…", people["ann"]).replace("127.0.0.1:9092", mesh.endpoints["kafka"])
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "'state': 'done'" in done.stdout


@pytest.fixture(scope="module")
def people(mesh):
    """A key for everybody."""
    scopes = ("psmp:read", "psmp:write", "audit:read")
    made = {}
    for who, roles in PEOPLE.items():
        options = [word for scope in (*scopes, *roles) for word in ("--scope", scope)]
        made[who] = mesh.json("key", "create", who, *options)["secret"]
    return made


@pytest.fixture(scope="module")
def metaqore(mesh, people):
    """The command line of somebody; what it printed as JSON."""

    def run(who, *words, ends=0):
        given = {**mesh.environment, "METAQORE_API_KEY": people[who]}
        done = type(mesh)(mesh.run_dir, given).run(*map(str, words), "--json", check=False)
        assert done.returncode == ends, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def rest(mesh, people):
    """REST as somebody."""

    def call(who, method, path, **given):
        headers = {"authorization": f"Bearer {people[who]}", **given.pop("headers", {})}
        return httpx.request(method, f"{mesh.endpoints['rest']}/api/v1{path}", headers=headers, timeout=30, **given)

    return call


@pytest.fixture(scope="module")
def project(metaqore, tmp_path_factory):
    """A strict project in which ann's numpy below 2 counts; its id."""
    made = metaqore("ann", "project", "create", "every-door")
    manifest = tmp_path_factory.mktemp("ann") / "requirements.txt"
    manifest.write_text("numpy<2\n")
    metaqore("ann", "artifact", "propose", manifest, "--name", "ann/requirements.txt", "-p", "every-door")
    metaqore("rita", "artifact", "activate", "ann/requirements.txt", "-p", "every-door")
    return made["project"]["id"]


@pytest.fixture(scope="module")
def blocked(rest, project):
    """What ben is answered over REST when his numpy is none that ann's allows."""
    proposal = {
        "name": "ben/requirements.txt",
        "project_id": project,
        "content_text": "numpy>=2\n",
        "declarations": {"paths": ["search/requirements.txt"]},
    }
    return rest("ben", "POST", "/artifacts", json=proposal)


def test_who_is_stopped_learns_who_what_and_how_in_the_answer(blocked):
    assert blocked.status_code == 201
    [conflict] = blocked.json()["conflicts"]
    assert conflict["type"] == "python_versions"
    assert {party["by"] for party in conflict["parties"]} == {"ann", "ben"}
    assert "numpy<2" in conflict["explanation"]


def test_who_is_compatible_is_not_stopped(metaqore, project, tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("numpy>=1.20\n")
    done = metaqore("ben", "artifact", "propose", file, "--name", "third/requirements.txt", "-p", project)
    assert (done["artifacts"][0]["latest"]["phase"], done["conflicts"]) == ("proposed", [])


@pytest.mark.usefixtures("blocked")
def test_the_report_is_the_same_at_every_door_and_can_be_pasted(metaqore, rest, project):
    [told] = metaqore("rita", "project", "report", project, "--cause", "conflict")
    found = rest("rita", "GET", "/governance/blocking-report", params={"project_id": project, "cause": "conflict"})
    assert found.status_code == 200, found.text
    [item] = found.json()["items"]
    assert (item["item"], item["why"]) == (told["item"], told["why"])
    assert [way["command"] for way in item["ways_out"]] == [way["command"] for way in told["ways_out"]]
    assert all(way["command"].startswith("metaqore conflict resolve ") for way in told["ways_out"])


def test_nobody_resolves_in_its_own_favour(metaqore, blocked, project):
    [conflict] = blocked.json()["conflicts"]
    refused = metaqore(
        *("ben", "conflict", "resolve", conflict["id"], "take_incoming", "--why", "mine is better", "-p", project),
        ends=3,
    )
    assert refused["error"]["code"] == "own_favour"
    assert refused["receipt"]


def test_a_conflict_is_resolved_the_past_stays_and_the_receipts_verify(mesh, metaqore, rest, blocked, project):
    before = metaqore("rita", "project", "show", project)["version"]
    [conflict] = blocked.json()["conflicts"]
    done = metaqore("rita", "conflict", "resolve", conflict["id"], "keep_existing", "--why", "agreed", "-p", project)
    assert [step["verb"] for step in done["steps"]] == ["reject"]
    assert metaqore("rita", "conflict", "list", "-p", project) == []
    then = rest("rita", "GET", "/governance/conflicts", params={"project_id": project, "at": before}).json()
    assert [one["id"] for one in then["conflicts"]] == [conflict["id"]]
    was = metaqore("rita", "artifact", "show", "ben/requirements.txt", "-p", project, "--at", before)
    assert was["latest"]["phase"] == "blocked"
    is_ = metaqore("rita", "artifact", "show", "ben/requirements.txt", "-p", project)
    assert is_["latest"]["phase"] == "rejected"
    for token in (done["receipt_token"], blocked.headers["x-metaqore-receipt"]):
        assert eventually(lambda token=token: mesh.json("audit", "verify", token)["verified"] == 1)


def test_a_checkpoint_is_restored(metaqore, project, tmp_path):
    metaqore("rita", "checkpoint", "take", "good", "-p", project)
    file = tmp_path / "requirements.txt"
    file.write_text("numpy<1.20\n")
    metaqore("ann", "artifact", "propose", file, "--name", "ann/requirements.txt", "-p", project, ends=BLOCKED)
    shown = metaqore("rita", "checkpoint", "restore", "good", "-p", project, "--why", "back", "--dry-run")
    assert shown["changes"] == []
    metaqore("rita", "artifact", "reject", "ann/requirements.txt@2", "-p", project, "--why", "third needs 1.20")
    metaqore("rita", "artifact", "deprecate", "ann/requirements.txt", "-p", project, "--why", "gone")
    shown = metaqore("rita", "checkpoint", "restore", "good", "-p", project, "--why", "back", "--dry-run")
    assert [one["name"] for one in shown["changes"]] == ["ann/requirements.txt"]
    metaqore("rita", "checkpoint", "restore", "good", "-p", project, "--why", "back", "--yes")
    active = metaqore("rita", "artifact", "show", "ann/requirements.txt", "-p", project)
    assert active["active_version"] == 3
    assert metaqore("rita", "task", "list", "--project", project) == []


def test_a_large_body_goes_in_and_comes_out_as_it_was(mesh, metaqore, people, project, tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(3 << 20))
    done = metaqore("ann", "artifact", "propose", large, "--name", "large.bin", "-p", project)
    assert done["artifacts"][0]["latest"]["body"]["size_bytes"] == 3 << 20
    given = type(mesh)(mesh.run_dir, {**mesh.environment, "METAQORE_API_KEY": people["ann"]})
    given.run("artifact", "content", "large.bin", "-p", project, "--out", str(tmp_path / "out.bin"))
    assert (tmp_path / "out.bin").read_bytes() == large.read_bytes()
