import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.run_directory import RunDirectory, write_atomically, write_once


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "above" / "run")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_private_and_leaves_what_is_above_as_it_was(run):
    run.path.parent.mkdir(mode=0o750)
    run.create()
    run.create()
    assert [mode(path) for path in (run.path, run.keys, run.logs, run.spool)] == [0o700] * 4
    assert mode(run.path.parent) == 0o750
    assert run.writers.is_dir()
    assert run.log_of("broker") == run.path / "logs" / "broker.log"


def test_one_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MetaQoreError, match=r"Not a directory .* METAQORE_RUN_DIR") as refused:
        RunDirectory(tmp_path / "file" / "run").create()
    assert refused.value.code == "run_directory_unusable"


def test_id_and_token_are_made_once_and_kept(run):
    run.create()
    assert run.make_mesh_id() == run.make_mesh_id()
    assert len(run.make_mesh_id()) == 26
    assert run.make_mesh_token() == run.make_mesh_token() == run.mesh_token.read_text().strip()
    assert mode(run.mesh_token) == 0o600


def test_who_writes_first_wins(tmp_path):
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda number: write_once(path, b"%d" % number), range(32)))
    assert found == {path.read_bytes()}
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "mesh.json"
    write_atomically(path, b"one", mode=0o644)
    write_atomically(path, b"two")
    assert (path.read_bytes(), mode(path)) == (b"two", 0o600)
    assert [file.name for file in tmp_path.iterdir()] == ["mesh.json"]
