"""The protobuf contracts: lint, no break against the committed image, and stubs that are what the sources say."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
BUF = Path(sys.executable).parent / "buf"


def buf(*arguments, cwd=PROTO, cache):
    return subprocess.run(
        [BUF, *arguments],
        cwd=cwd,
        env={**os.environ, "BUF_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def changed(tmp_path):
    """A copy of the sources that a test may spoil."""
    copy = tmp_path / "proto"
    shutil.copytree(PROTO / "metaqore", copy / "metaqore")
    shutil.copy(PROTO / "buf.yaml", copy)
    shutil.copy(PROTO / "baseline.binpb", copy)
    return copy


def spoil(copy, old, new):
    source = copy / "metaqore" / "gateway" / "v1" / "gateway.proto"
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_sources_pass_the_standard_lint(tmp_path):
    found = buf("lint", cache=tmp_path)
    assert (found.returncode, found.stdout) == (0, "")


def test_nothing_breaks_against_the_baseline(tmp_path):
    found = buf("breaking", "--against", "baseline.binpb", cache=tmp_path)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("string task_id = 1;", "", '"1" with name "task_id"', id="a field removed"),
        pytest.param("string task_id = 1;", "uint64 task_id = 1;", "changed type", id="a type changed"),
        pytest.param("string task_id = 1;", "string task_id = 99;", '"1" with name "task_id"', id="a field renumbered"),
        pytest.param("rpc GetTask(GetTaskRequest) returns (GetTaskResponse);", "", "GetTask", id="a method removed"),
    ],
)
def test_a_break_is_caught(changed, tmp_path, old, new, complaint):
    spoil(changed, old, new)
    found = buf("breaking", "--against", "baseline.binpb", cwd=changed, cache=tmp_path / "cache")
    assert found.returncode == 100
    assert complaint in found.stdout


def test_a_new_field_is_no_break(changed, tmp_path):
    spoil(changed, "string task_id = 1;", "string task_id = 1;\n  string note = 99;")
    assert buf("breaking", "--against", "baseline.binpb", cwd=changed, cache=tmp_path / "cache").returncode == 0


def test_the_stubs_are_those_of_the_sources(tmp_path):
    generated = tmp_path / "src"
    subprocess.run(
        [PROTO / "generate.sh", generated],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
        capture_output=True,
        timeout=110,
    )
    committed = PROTO / "src"
    assert texts(generated) == texts(committed), "run `make proto` and commit the stubs"


def texts(directory):
    return {
        str(path.relative_to(directory)): path.read_text(encoding="utf-8")
        for path in sorted(directory.rglob("*_pb2*"))
        if path.suffix in {".py", ".pyi"}
    }
