"""Makes conflicts/go.json: modules of one workspace that ask for one module, and whether go builds them together.

Run it with the project's Python; give the `go` to ask in GO (1.21 or newer), else that of the PATH is asked. It needs
no network: the module proxy is a folder of empty modules. Cases are written by hand or drawn with a fixed seed. A case
is held back by its name alone: those measure the rules, and no rule may be changed after looking at one.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TARGET = Path(__file__).parent / "conflicts" / "go.json"
GO = os.environ.get("GO", "go")
EACH = 75
"""How many compatible cases to keep, and how many others."""

FOO = "example.com/foo"
VERSIONS = ["v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1-rc.1", "v1.3.0", "v1.4.0"]
OTHERS = ["example.com/bar", "example.com/baz"]
NEEDS = f"require {FOO} "
REFUSALS = re.compile(
    r"conflicting replacements|no required module provides|requires go >=|is not in std|cannot find module providing"
    r"|is replaced but not required"
)


def module(*lines, go="1.21"):
    return [f"go {go}", *lines]


BY_HAND = [
    [module(NEEDS + "v1.0.0"), module(NEEDS + "v1.4.0")],
    [module(NEEDS + "v1.2.0"), module(NEEDS + "v1.2.1-rc.1")],
    [module(NEEDS + "v1.2.0"), module(f"exclude {FOO} v1.2.0")],
    [module(NEEDS + "v1.2.0"), module(f"exclude {FOO} v1.3.0")],
    [module(NEEDS + "v1.2.0"), module(NEEDS + "v1.1.0", f"exclude {FOO} v1.2.0")],
    [module(NEEDS + "v1.2.0"), module(NEEDS + "v1.3.0", f"exclude {FOO} v1.2.0")],
    [module(NEEDS + "v1.2.0", f"exclude {FOO} v1.2.0")],
    [module(NEEDS + "v1.2.0"), module(NEEDS + "v1.3.0"), module(f"exclude {FOO} v1.2.0", f"exclude {FOO} v1.3.0")],
    [module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"), module(NEEDS + "v1.2.0")],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[1]} v1.0.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.3.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.1.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.0.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.1.0 => {OTHERS[1]} v1.0.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.0.0"),
    ],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.1.0 => {OTHERS[0]} v1.0.0"),
        module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.0.0"),
    ],
    [module(NEEDS + "v1.2.0", f"replace {FOO} => ../shared"), module(NEEDS + "v1.2.0", f"replace {FOO} => ../shared")],
    [module(NEEDS + "v1.2.0", f"replace {FOO} => ../shared"), module(NEEDS + "v1.2.0", f"replace {FOO} => ../other")],
    [
        module(NEEDS + "v1.2.0", f"replace {FOO} => ../shared"),
        module(NEEDS + "v1.2.0", f"replace {FOO} => ./../shared"),
    ],
    [module(NEEDS + "v1.2.0", f"replace {FOO} => ../shared"), module(f"replace {FOO} => {OTHERS[0]} v1.0.0")],
    [module(f"replace {FOO} => {OTHERS[1]} v1.0.0"), module(f"replace {FOO} => {OTHERS[0]} v1.0.0")],
    [module(NEEDS + "v1.2.0", f"exclude {FOO} v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[0]} v1.0.0")],
]
WITH_WORK = [
    ([module(go="1.21")], ["go 1.21"]),
    ([module(go="1.22")], ["go 1.21"]),
    ([module(go="1.22.0")], ["go 1.22"]),
    ([module(go="1.22")], ["go 1.22.0"]),
    ([module(go="1.22rc1")], ["go 1.22"]),
    ([module(go="1.22rc1")], ["go 1.22.0"]),
    ([module(go="1.20")], ["go 1.20.0"]),
    ([module(go="1.20.0")], ["go 1.20"]),
    ([module(go="1.20.3")], ["go 1.20"]),
    ([module(go="1.19"), module(go="1.23.1")], ["go 1.23.0"]),
    ([module(go="1.19"), module(go="1.23.1")], ["go 1.23.1", "toolchain go1.23.4"]),
    ([module("toolchain go1.24.0", go="1.21")], ["go 1.21"]),
    (
        [
            module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[0]} v1.0.0"),
            module(NEEDS + "v1.2.0", f"replace {FOO} => {OTHERS[1]} v1.0.0"),
        ],
        ["go 1.21", f"replace {FOO} => {OTHERS[1]} v1.1.0"],
    ),
    (
        [
            module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[0]} v1.0.0"),
            module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.0.0"),
        ],
        ["go 1.21", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.1.0"],
    ),
    (
        [
            module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[0]} v1.0.0"),
            module(NEEDS + "v1.2.0", f"replace {FOO} v1.2.0 => {OTHERS[1]} v1.0.0"),
        ],
        ["go 1.21", f"replace {FOO} v1.1.0 => {OTHERS[1]} v1.1.0"],
    ),
]


def drawn(count):
    chance = random.Random(20_044)
    for _ in range(count):
        modules = []
        for _ in range(chance.choice([1, 2, 2, 3])):
            lines = [NEEDS + chance.choice(VERSIONS)] if chance.random() < 0.8 else []
            if chance.random() < 0.35:
                lines += [f"exclude {FOO} {one}" for one in chance.sample(VERSIONS, chance.choice([1, 1, 2]))]
            if chance.random() < 0.3:
                replaced = chance.choice(["", "", " " + chance.choice(VERSIONS)])
                by = chance.choice([*(f"{other} v1.0.0" for other in OTHERS), "../shared"])
                lines.append(f"replace {FOO}{replaced} => {by}")
            modules.append(module(*lines, go=chance.choice(["1.20", "1.21", "1.21", "1.22", "1.22.3", "1.23"])))
        work = [f"go {chance.choice(['1.21', '1.22', '1.22.3', '1.23', '1.23.2'])}"] if chance.random() < 0.4 else []
        if work and chance.random() < 0.2:
            work.append(f"replace {FOO} => {chance.choice(OTHERS)} v1.1.0")
        yield modules, work


def published(root):
    """A proxy's folder with empty modules."""
    for name in (FOO, *OTHERS):
        folder = root / name / "@v"
        folder.mkdir(parents=True)
        (folder / "list").write_text("\n".join(VERSIONS) + "\n", encoding="utf-8")
        for version in VERSIONS:
            manifest = f"module {name}\n\ngo 1.16\n"
            (folder / f"{version}.info").write_text(json.dumps({"Version": version}), encoding="utf-8")
            (folder / f"{version}.mod").write_text(manifest, encoding="utf-8")
            with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
                archive.writestr(f"{name}@{version}/go.mod", manifest)
                archive.writestr(f"{name}@{version}/foo.go", "package foo\n")


def newest_work():
    """A `go.work` that no module needs more than."""
    version = subprocess.run([GO, "version"], capture_output=True, text=True, check=True).stdout
    return [f"go {re.search(r'go(1[.][0-9]+)', version)[1]}"]


def verdict(modules, work, cache):
    """Whether go builds all modules of the workspace, in whatever order its go.work uses them.

    Go sees some clashes in one order and not in the other (`replacementFrom` in cmd/go/internal/modload); nobody who
    proposes a module can know the order.
    """
    order = list(range(len(modules)))
    return all(builds(modules, work, cache, one) for one in ([order, order[::-1]] if len(order) > 1 else [order]))


def builds(modules, work, cache, order):
    """Whether go builds them in this order. Any failure but a refusal of them is an error of the case."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        published(root / "proxy")
        tree = root / "tree"
        for name in ("shared", "other"):
            (tree / name).mkdir(parents=True)
            (tree / name / "go.mod").write_text(f"module {FOO}\n\ngo 1.16\n", encoding="utf-8")
            (tree / name / "foo.go").write_text("package foo\n", encoding="utf-8")
        for number, lines in enumerate(modules):
            member = tree / f"m{number}"
            member.mkdir()
            text = "\n".join([f"module example.com/m{number}", "", *lines]) + "\n"
            (member / "go.mod").write_text(text, encoding="utf-8")
            imports = f'import _ "{FOO}"\n' if any(line.startswith("require") for line in lines) else ""
            (member / "m.go").write_text(f"package m{number}\n{imports}", encoding="utf-8")
        uses = [f"use ./m{number}" for number in order]
        (tree / "go.work").write_text("\n".join([*(work or newest_work()), *uses]) + "\n", encoding="utf-8")
        run = subprocess.run(
            [GO, "build", *(f"./m{number}" for number in range(len(modules)))],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "GOPROXY": f"file://{folder}/proxy",
                "GOSUMDB": "off",
                "GOFLAGS": "-modcacherw",
                "GOTOOLCHAIN": "local",
                "GOMODCACHE": f"{folder}/modules",
                "GOCACHE": cache,
                "CGO_ENABLED": "0",
            },
        )
    if run.returncode and not REFUSALS.search(run.stderr):
        sys.exit(f"{modules} {work}: {run.stderr}")
    return run.returncode == 0


def main():
    cases, kept, seen = [], {True: 0, False: 0}, set()
    proposals = [(f"written {number}", modules, []) for number, modules in enumerate(BY_HAND)]
    proposals += [(f"written {len(BY_HAND) + number}", *both) for number, both in enumerate(WITH_WORK)]
    proposals += [(f"drawn {number}", *both) for number, both in enumerate(drawn(600))]
    with tempfile.TemporaryDirectory() as cache:
        for name, modules, work in proposals:
            if all(count >= EACH for count in kept.values()):
                break
            if (spelled := json.dumps([modules, work])) in seen:
                continue
            seen.add(spelled)
            compatible = verdict(modules, work, cache)
            print("." if compatible else "x", end="", flush=True)
            if kept[compatible] < EACH:
                kept[compatible] += 1
                held_back = name.startswith("drawn") and hashlib.sha256(name.encode()).digest()[0] % 2 == 0
                case = {"name": name, "modules": modules, "work": work}
                cases.append({**case, "compatible": compatible, "held_back": held_back})
    version = subprocess.run([GO, "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    TARGET.write_text(json.dumps({"tool": version, "cases": cases}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{len(cases)} cases, {kept[True]} of them compatible")


if __name__ == "__main__":
    main()
