"""Compile every kernel for every target with nvcc and with NVRTC, and write what a wheel ships.

nvcc's files go into the package with a manifest: checksums, compiler, and for each kernel its registers. NVRTC must
compile the same sources, so that a user without nvcc could; its output is not kept. Spills, and stack frames, which
are arrays that missed the registers, fail the build. What is unchanged since the last run is not compiled again.

    python tools/compile.py [--jobs 2] [--skip-nvrtc]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import distribution, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from metaqore_kernels.cuda.built import BUILT, CUBINS, MANIFEST, PORTABLE, SOURCE, Target, file_name

FLAGS = ("-std=c++17", "--fmad=false")
KERNEL = re.compile(r"Compiling entry function '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")


@dataclass(frozen=True, slots=True)
class Job:
    """One source for one target."""

    source: str
    target: Target

    @property
    def name(self) -> str:
        return file_name(self.source, self.target)


def toolkit() -> Path:
    """Where the toolkit's wheels put their files."""
    return Path(str(distribution("nvidia-cuda-nvcc").locate_file("nvidia/cu13")))


def included(path: Path) -> set[Path]:
    """A source and all that it includes."""
    direct = re.findall(r'^#include "(.+)"', path.read_text(), re.MULTILINE)
    return {path}.union(*(included(SOURCE / name) for name in direct))


def fingerprint(source: str) -> str:
    """A checksum of all that a source's output depends on."""
    texts = [path.read_bytes() for path in sorted(included(SOURCE / f"{source}.cu"))]
    tools = "".join(version(f"nvidia-{name}") for name in ("cuda-nvcc", "nvvm", "cuda-nvrtc", "cuda-runtime"))
    return hashlib.sha256(b"\0".join([*texts, tools.encode(), " ".join(FLAGS).encode()])).hexdigest()


def run_nvcc(job: Job) -> dict[str, Any]:
    """Compile with nvcc; the entry of the manifest."""
    cubin = job.target.suffix == "cubin"
    output = BUILT / job.name
    command = [str(toolkit() / "bin/nvcc"), *FLAGS, f"-arch={job.target.name}", "-Xptxas=-v"]
    command += ["-cubin" if cubin else "-ptx", "-I", str(toolkit() / "include"), "-o", str(output)]
    done = subprocess.run([*command, str(SOURCE / f"{job.source}.cu")], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"nvcc failed on {job.name}:\n{done.stderr}")
    kernels = resources(done.stderr) if cubin else entries(output.read_text())
    return {
        "source": job.source,
        "target": job.target.name,
        "sha256": hashlib.sha256(output.read_bytes()).hexdigest(),
        "bytes": output.stat().st_size,
        "kernels": kernels,
    }


def resources(report: str) -> dict[str, dict[str, int]]:
    """What ptxas says that each kernel uses."""
    kernels: dict[str, dict[str, int]] = {}
    name = ""
    for line in report.splitlines():
        if found := KERNEL.search(line):
            name = found[1]
            kernels[name] = {}
        elif found := STACK.search(line):
            kernels[name] |= dict(zip(("stack", "spill_stores", "spill_loads"), map(int, found.groups()), strict=True))
        elif found := USED.search(line):
            kernels[name]["registers"] = int(found[1])
    return kernels


def entries(ptx: str) -> dict[str, dict[str, int]]:
    """The kernels that PTX holds; what they use is known once a driver has compiled them."""
    return {name: {} for name in re.findall(r"\.visible \.entry (\w+)", ptx)}


def run_nvrtc(job: Job) -> Job:
    """Compile with NVRTC; cuda-core does that without a driver."""
    from cuda.core import Program, ProgramOptions

    options = ProgramOptions(arch=job.target.name, std="c++17", fma=False, include_path=str(SOURCE))
    Program((SOURCE / f"{job.source}.cu").read_text(), "c++", options).compile("cubin")
    return job


def wasteful(files: dict[str, Any]) -> list[str]:
    """The kernels that spill, or have arrays outside the registers."""
    return [
        f"{kernel} in {name}: {used}"
        for name, file in files.items()
        for kernel, used in file["kernels"].items()
        if any(used.get(kind, 0) for kind in ("stack", "spill_stores", "spill_loads"))
    ]


def known(job: Job, manifest: dict[str, Any], prints: dict[str, str]) -> dict[str, Any] | None:
    """The manifest's entry of a job that need not run again."""
    entry = manifest.get("files", {}).get(job.name)
    if (
        not entry
        or manifest.get("sources", {}).get(job.source) != prints[job.source]
        or not (BUILT / job.name).exists()
    ):
        return None
    return dict(entry) if hashlib.sha256((BUILT / job.name).read_bytes()).hexdigest() == entry["sha256"] else None


def write_manifest(prints: dict[str, str], checked: dict[str, str], done: dict[str, dict[str, Any]]) -> None:
    """Say what was built and of what, and remove what was not."""
    for path in BUILT.iterdir():
        if path.name not in done and path != MANIFEST:
            path.unlink()
    compiler = {name: version(f"nvidia-{name}") for name in ("cuda-nvcc", "cuda-nvrtc", "nvvm", "cuda-crt")}
    written = {"compiler": compiler, "flags": FLAGS, "sources": prints, "nvrtc": checked, "files": done}
    MANIFEST.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--skip-nvrtc", action="store_true")
    chosen = parser.parse_args()
    BUILT.mkdir(exist_ok=True)
    sources = sorted(path.stem for path in SOURCE.glob("*.cu"))
    prints = {source: fingerprint(source) for source in sources}
    manifest = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    jobs = [Job(source, target) for target in (*CUBINS, PORTABLE) for source in sources]
    done = {job.name: entry for job in jobs if (entry := known(job, manifest, prints))}
    left = [job for job in jobs if job.name not in done]
    checked = dict(manifest.get("nvrtc", {}))
    unchecked = [j for j in jobs if j.target.suffix == "cubin" and checked.get(j.name) != prints[j.source]]
    try:
        with ThreadPoolExecutor(chosen.jobs) as pool:
            for job, entry in zip(left, pool.map(run_nvcc, left), strict=True):
                done[job.name] = entry
                print(f"nvcc   {job.name}: {len(entry['kernels'])} kernels, {entry['bytes']} bytes", flush=True)
        with ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as processes:  # NVRTC works on one thread of each
            for job in processes.map(run_nvrtc, [] if chosen.skip_nvrtc else unchecked):
                checked[job.name] = prints[job.source]
                print(f"nvrtc  {job.name}", flush=True)
    finally:  # what is done need not be done again
        write_manifest(prints, checked, done)
    if bad := wasteful(done):
        raise SystemExit("Registers spill:\n" + "\n".join(bad))
    total = sum(file["bytes"] for file in done.values())
    print(f"{len(done)} files, {total} bytes, no spills: {BUILT}", file=sys.stderr)


if __name__ == "__main__":
    main()
