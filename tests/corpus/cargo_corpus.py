"""Makes conflicts/cargo.json: requirements of a workspace's crates, and whether cargo finds versions for them.

It also asks which texts cargo reads as requirements, and of some ways to write a dependency whether they meet.

Run it with the project's Python; it needs cargo and no network: the registry is a folder with an index of empty crates,
made for each case. Cases are written by hand or drawn with a fixed seed. A case is held back by its name alone: those
measure the rules, and no rule may be changed after looking at one.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).parent / "conflicts" / "cargo.json"
EACH = 75
"""How many compatible cases to keep, and how many others."""

BY_HAND = [
    ["=1.2.3", "=1.2.4"],
    ["=1.2.3", "=2.0.0"],
    ["1.2", "=1.1.0"],
    ["1.2", "1.5"],
    ["1.2", "2"],
    ["~1.2", "~1.3"],
    ["~1.2", "1.2.5"],
    ["~1.2", ">=1.3, <2"],
    [">=1, <3", "=1.2.0", "=1.3.0"],
    [">=1, <3", "=1.2.0", "=2.3.0"],
    [">=1.5, <3", "=1.2.0", "=2.3.0"],
    [">=1.5, <3", "=1.2.0"],
    [">=1.5, <3", "<=1.4, >=1", "~2.3", ">=2.4"],
    [">=1, <4", "=1.2.0", "=2.3.0", "=3.0.0"],
    [">=1.5, <2.2", "=1.2.0", "=2.3.0"],
    ["0.2", "0.3"],
    ["=0.2.1", "=0.2.2"],
    ["=0.2.1", "=0.3.2"],
    ["0.0.1", "0.0.2"],
    ["=0.0.1", "=0.0.2"],
    [">=0.1, <0.3", "=0.1.1", "=0.2.1"],
    [">=0.1.2, <0.2.1", "=0.1.1", "=0.2.1"],
    ["*", "=1.2.3"],
    ["1.*", "=1.2.3"],
    ["1.3.*", "=1.2.3"],
    [">1.2", "=1.2.9"],
    ["<=1.2", "=1.2.9"],
    ["<1.2", ">=1.2, <2"],
    [">2, <1"],
    [">=1.2.3-rc.1, <1.2.3"],
    ["=1.2.3-rc.1", "1.2"],
    ["=1.2.3-rc.1", "1.2.3-alpha"],
    ["=1.2.3-rc.1", "1.2.3-rc.2"],
    [">1.2.3, <1.2.4"],
    ["^0", "=0.2.1", "=0.3.1"],
    ["~1", "=1.9.9"],
    ["=1.2", "=1.2.9"],
    ["=1", "=1.2", "=1.3"],
]
READ = [
    *("1", "1.2", "1.2.3", "  1  ", "*", "x", "X", "1.*", "1.x", "1.*.*", "1.2.*", "1.2.*.*", "1.*.3", "*.1", "**", ""),
    *(">=1.*", "^1.*", "~1.*", "=1.*", ">1.*", "<1.*", "<=1.*", ">1.2.*", "~1.2.*", "=*", ">=*", "^*", "~*", "1.*-rc"),
    *("v1", "=v1", "01.2", "1.02", "1..2", "1.2.3.4", ">= 1", "> =1", "=>1", "==1", "~>1", "!=1", "^ 1", "^", "="),
    *("1 - 2", "1 || 2", "1 2", "1,2", "1 , 2", "1,,2", ",1", "1,", "*, 1", "1, *", "latest", "1.2.3-", "1.2.3-rc"),
    *("1.2.3-rc.01", "1.2.3-rc..1", "1.2-rc", "1.2.3+", "1.2.3+b.c", "1.2+b", "1.2.3-rc+b", "1.2.3-0", "1.2.3-00"),
    *("1.2.3-0a", "1.2.3-rc_1", "1.2.\uff13", "99999999999999999999", ",".join([">=1"] * 32), ",".join([">=1"] * 33)),
]
"""Read as requirements or not."""
DEPENDENCIES = [
    ['[dependencies]\nfoo = { path = "../foo", version = "=1.2.3" }', '[dependencies]\nfoo = "=1.2.4"'],
    ['[dependencies]\nfoo = { path = "../foo", version = "1" }', '[dependencies]\nfoo = "=1.2.4"'],
    ['[dependencies]\nfoo = { version = "=1.2.3", optional = true }', '[dependencies]\nfoo = "=1.2.4"'],
    ['[dependencies]\nfoo = "=1.2.3"\nbar = { package = "foo", version = "=1.2.4" }', ""],
    ['[dependencies]\nfoo = "=1.2.3"\nbar = { package = "foo", version = "=2.2.4" }', ""],
    ['[target."cfg(windows)".dependencies]\nfoo = "=1.2.3"', '[target."cfg(unix)".dependencies]\nfoo = "=1.2.4"'],
    *(
        [f'[{one}]\nfoo = "=1.2.3"', '[dependencies]\nfoo = "=1.2.4"']
        for one in ("dev-dependencies", "dev_dependencies")
    ),
    *(
        [f'[{one}]\nfoo = "=1.2.3"', '[dependencies]\nfoo = "=1.2.4"']
        for one in ("build-dependencies", "build_dependencies")
    ),
    ['[dependencies.foo]\nversion = "=1.2.3"\ndefault-features = false', '[dependencies]\nfoo = "=1.2.4"'],
]
"""What two members of a workspace say of one package, each in its own way."""
VERSIONS = [
    "1.0.0",
    "1.2",
    "1.2.3",
    "1.3",
    "1.9",
    "2",
    "2.0.1",
    "2.3",
    "3",
    "0.1",
    "0.1.2",
    "0.2",
    "0.2.1",
    "1.2.3-rc.1",
    "2.0.0-beta.1",
]


def bound(chance):
    version = chance.choice(VERSIONS)
    shape = chance.random()
    if shape < 0.25:
        return version
    if shape < 0.45:
        return f"={version}"
    if shape < 0.6:
        return f"~{version}"
    if shape < 0.7:
        return f">={version}"
    if shape < 0.78:
        return f"<{version}"
    low, high = chance.sample(VERSIONS, 2)
    return f">={low}, <{chance.choice(['', '='])}{high}"


def drawn(count):
    chance = random.Random(20_042)
    for _ in range(count):
        yield [bound(chance) for _ in range(chance.choice([2, 2, 3, 3, 4]))]


def published(texts):
    """Versions near every one that the ranges name, so that whatever some version satisfies, one of these does."""
    found = {
        f"{major}.{minor}.{patch}" for major in (0, 1, 2, 3, 4, 50) for minor in (0, 1, 9, 50) for patch in (0, 1, 9)
    }
    for text in texts:
        for match in re.finditer(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[\w.-]+)?", text):
            major, minor, patch = (int(part or 0) for part in match.groups()[:3])
            found |= {f"{major}.{minor}.{patch + step}" for step in (-1, 0, 1) if patch + step >= 0}
            found |= {f"{major}.{minor + step}.{last}" for step in (-1, 0, 1) for last in (0, 9) if minor + step >= 0}
            found |= {f"{major + step}.0.0" for step in (-1, 0, 1) if major + step >= 0}
            found |= {
                f"{major}.{minor}.{patch}-{end}" for end in ("0", "alpha", "beta.2", "rc.0", "rc.1", "rc.2", "zz")
            }
            if match[4]:
                found.add(f"{major}.{minor}.{patch}{match[4]}")
    return sorted(found)


def verdict(texts):
    """Whether cargo finds versions. Any failure but one to find them is an error of the case."""
    members = [f"[dependencies]\nfoo = {json.dumps(text, ensure_ascii=False)}" for text in texts]
    error = refusal(members, published(texts))
    if error and not re.search("failed to select a version", error):
        sys.exit(f"{texts}: {error}")
    return not error


def is_read(text):
    """Whether cargo reads it as a requirement, whatever it finds for it."""
    return "failed to parse the version requirement" not in refusal(
        [f"[dependencies]\nfoo = {json.dumps(text, ensure_ascii=False)}"], published([])
    )


def refusal(members, versions):
    """What cargo says against members with these dependencies, where foo is published in some versions."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        index = root / "registry" / "index" / "3" / "f"
        index.mkdir(parents=True)
        crate = {"name": "foo", "deps": [], "cksum": "0" * 64, "features": {}, "yanked": False}
        rows = [json.dumps({**crate, "vers": version}) for version in versions]
        (index / "foo").write_text("\n".join(rows) + "\n", encoding="utf-8")
        for number, dependencies in enumerate(members):
            write_crate(root / "tree" / f"m{number}", f"m{number}", "0.1.0", dependencies)
        write_crate(root / "tree" / "foo", "foo", "1.2.3", "")
        (root / "tree" / "Cargo.toml").write_text('[workspace]\nresolver = "2"\nmembers = ["m*"]\n', encoding="utf-8")
        (root / "tree" / ".cargo").mkdir()
        (root / "tree" / ".cargo" / "config.toml").write_text(
            '[source.crates-io]\nreplace-with = "here"\n[source.here]\nlocal-registry = "../registry"\n',
            encoding="utf-8",
        )
        run = subprocess.run(
            ["cargo", "generate-lockfile", "--offline"],
            cwd=root / "tree",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "CARGO_HOME": f"{folder}/home"},
        )
    return run.stderr if run.returncode else ""


def write_crate(folder, name, version, dependencies):
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "lib.rs").write_text("", encoding="utf-8")
    package = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
    (folder / "Cargo.toml").write_text(f"{package}{dependencies}\n", encoding="utf-8")


def main():
    cases, kept = [], {True: 0, False: 0}
    proposals = [(f"written {number}", texts) for number, texts in enumerate(BY_HAND)]
    proposals += [(f"drawn {number}", texts) for number, texts in enumerate(drawn(900))]
    for name, texts in proposals:
        if all(count >= EACH for count in kept.values()):
            break
        compatible = verdict(texts)
        print("." if compatible else "x", end="", flush=True)
        if kept[compatible] < EACH:
            kept[compatible] += 1
            held_back = name.startswith("drawn") and hashlib.sha256(name.encode()).digest()[0] % 2 == 0
            cases.append({"name": name, "requirements": texts, "compatible": compatible, "held_back": held_back})
    version = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    ways = [{"members": members, "compatible": not refusal(members, published(members))} for members in DEPENDENCIES]
    form = {"tool": f"cargo {version}", "cases": cases, "read": {text: is_read(text) for text in READ}, "ways": ways}
    TARGET.write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")
    print(f"\n{len(cases)} cases, {kept[True]} of them compatible")


if __name__ == "__main__":
    main()
