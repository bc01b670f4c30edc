"""The workspace says the same thing everywhere: pyproject, Nx and the locks."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = sorted(
    path.parent for pattern in ("libs/*", "services/*", "proto") for path in ROOT.glob(pattern + "/pyproject.toml")
)
TARGETS = {"lint", "test", "build"}


def project(member):
    return tomllib.loads((member / "pyproject.toml").read_text())["project"]


def names(requirements):
    return {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in requirements}


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_nx_knows_the_dependencies_that_python_has(member):
    nx = json.loads((member / "project.json").read_text())
    ours = {name for name in names(project(member)["dependencies"]) if name.startswith("metaqore-")}
    assert nx["name"] == project(member)["name"]
    assert set(nx["implicitDependencies"]) == ours
    assert set(nx["targets"]) >= TARGETS
    assert all(target["executor"] == "nx:run-commands" for target in nx["targets"].values())


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.lock")), ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_lock_names_a_host_or_a_place(lock):
    text = lock.read_text()
    pins = re.split(
        r"\n(?=[a-z0-9])", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    )
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "metaqore-" not in re.sub(r"#.*", "", text)


def test_no_tracked_file_names_a_registry_or_a_lock_with_hosts():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in tracked.stdout.split("\0") if name]
    assert "uv.lock" not in files
    hosts = re.compile(r"py[p]i\.org|pythonhoste[d]\.org|registry\.npmj[s]\.org|deb\.debia[n]\.org")
    named = [
        name for name in files if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert named == []


def test_every_target_of_make_is_explained():
    makefile = (ROOT / "Makefile").read_text()
    phony = {name for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE) for name in line.split()}
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert phony - explained == {"check"}
