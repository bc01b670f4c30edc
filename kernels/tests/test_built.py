"""What `make kernels` built: whole, of these sources, without spills, and shipped in the wheel."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from metaqore_kernels.cuda import built

ROOT = Path(__file__).parents[1]
KERNEL = re.compile(r"^\s*KERNEL\(\d+, (\w+), \w+\)", re.MULTILINE)


@pytest.fixture
def manifest():
    if not built.MANIFEST.exists() and not os.environ.get("METAQORE_REQUIRE_BUILT_KERNELS"):
        pytest.skip("the kernels are not built; `make kernels` builds them")
    return built.manifest()


def test_every_source_is_built_for_every_target(manifest):
    sources = {path.stem for path in built.SOURCE.glob("*.cu")}
    assert {(f["source"], f["target"]) for f in manifest["files"].values()} == {
        (source, target.name) for source in sources for target in (*built.CUBINS, built.PORTABLE)
    }
    assert set(manifest["nvrtc"]) == {built.file_name(s, t) for s in sources for t in built.CUBINS}
    assert {s: manifest["nvrtc"][built.file_name(s, t)] for s in sources for t in built.CUBINS} == manifest["sources"]


def test_the_files_are_those_of_the_manifest(manifest):
    for name, file in manifest["files"].items():
        assert hashlib.sha256((built.BUILT / name).read_bytes()).hexdigest() == file["sha256"]


def test_every_target_has_the_same_kernels(manifest):
    kernels = {}
    for file in manifest["files"].values():
        kernels.setdefault(file["source"], set()).add(frozenset(file["kernels"]))
    for source, variants in kernels.items():
        assert len(variants) == 1, source
        plain = set(KERNEL.findall((built.SOURCE / f"{source}.cu").read_text()))
        assert plain <= next(iter(variants))


def test_nothing_spills(manifest):
    for name, file in manifest["files"].items():
        for kernel, used in file["kernels"].items():
            assert not any(used.get(kind) for kind in ("stack", "spill_stores", "spill_loads")), (name, kernel)


def test_a_changed_file_is_refused(manifest, tmp_path, monkeypatch):
    name = next(iter(manifest["files"]))
    (tmp_path / name).write_bytes(b"something else")
    monkeypatch.setattr(built, "BUILT", tmp_path)
    target = next(t for t in (*built.CUBINS, built.PORTABLE) if t.name == manifest["files"][name]["target"])
    built.code.cache_clear()
    with pytest.raises(built.CudaUnavailableError, match="make kernels"):
        built.code(manifest["files"][name]["source"], target)
    built.code.cache_clear()


def test_the_wheel_holds_all_of_it(manifest, tmp_path):
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    prefix = "metaqore_kernels/cuda"
    assert {f"{prefix}/built/{name}" for name in (*manifest["files"], "manifest.json")} <= names
    assert {f"{prefix}/source/{path.name}" for path in built.SOURCE.iterdir()} <= names
    assert not [name for name in names if name.startswith("tests")]
