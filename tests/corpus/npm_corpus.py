"""Makes conflicts/npm.json: manifests and whether npm resolves them, and what node-semver says of ranges.

Run it with the project's Python; it needs node and npm and no network: the registry is served here, on the loopback
address alone, and its packages are empty. Cases are written by hand or drawn with a fixed seed. A case is held back by
its name alone: those measure the rules, and no rule may be changed after looking at one.
"""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

TARGET = Path(__file__).parent / "conflicts" / "npm.json"
EACH = 110
"""How many compatible cases to keep, and how many others."""

REFUSALS = {"ERESOLVE", "EOVERRIDE", "ETARGET"}


class Registry(BaseHTTPRequestHandler):
    packages: ClassVar[dict] = {}

    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.strip("/").replace("%2f", "/")
        if name not in self.packages:
            self.send_error(404)
            return
        versions = self.packages[name]
        latest = max((version for version in versions if "-" not in version), key=triple)
        address = f"http://127.0.0.1:{self.server.server_port}/{name}"
        body = json.dumps(
            {
                "name": name,
                "dist-tags": {"latest": latest},
                "versions": {
                    version: {
                        "name": name,
                        "version": version,
                        "dist": {"tarball": f"{address}-{version}.tgz", "shasum": "0" * 40},
                        **manifest,
                    }
                    for version, manifest in versions.items()
                },
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def triple(version):
    return tuple(map(int, version.partition("-")[0].split(".")))


def published(texts):
    """Versions near every one that the ranges name, so that whatever some version satisfies, one of these does."""
    found = {f"{major}.{minor}.{patch}" for major in (0, 1, 2, 3, 4) for minor in (0, 1, 9) for patch in (0, 1, 9)}
    for text in texts:
        for match in re.finditer(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[\w.-]+)?", text):
            major, minor, patch = (int(part or 0) for part in match.groups()[:3])
            found |= {f"{major}.{minor}.{patch + step}" for step in (-1, 0, 1) if patch + step >= 0}
            found |= {f"{major}.{minor + step}.{last}" for step in (-1, 0, 1) for last in (0, 9) if minor + step >= 0}
            found |= {f"{major + step}.0.0" for step in (-1, 0, 1) if major + step >= 0}
            found |= {
                f"{major}.{minor}.{patch}-{end}"
                for end in ("0", "alpha", "alpha.1", "beta.2", "rc.0", "rc.1", "rc.2", "zz")
            }
            if match[4]:
                found |= {f"{major}.{minor}.{patch}{match[4]}", f"{major}.{minor}.{patch}{match[4]}.0"}
    return sorted(found)


def ranges_in(value):
    """Every string in some JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from ranges_in(one)


def root(**sections):
    return {"name": "root", "version": "1.0.0", **sections}


def tree(sections, *members):
    """The root of a tree and its workspaces."""
    files = {"package.json": root(workspaces=["packages/*"], **sections)}
    for number, member in enumerate(members):
        files[f"packages/m{number}/package.json"] = {"name": f"m{number}", "version": "1.0.0", **member}
    return files


def asks(text):
    return {"dependencies": {"foo": text}}


def dev(text):
    return {"devDependencies": {"foo": text}}


def optional(text):
    return {"optionalDependencies": {"foo": text}}


def peer(text):
    return {"peerDependencies": {"foo": text}}


def optional_peer(text):
    return {**peer(text), "peerDependenciesMeta": {"foo": {"optional": True}}}


def overrides(value, key="foo"):
    return {"overrides": {key: value}}


BY_HAND = [
    ({"package.json": root(**asks("^1"))}, {}),
    ({"package.json": root(**asks(">2 <1"))}, {}),
    ({"package.json": root(**asks(">1.0.0 <1.0.1"))}, {}),
    ({"package.json": root(**asks(">=1.0.0-rc.1 <1.0.0"))}, {}),
    ({"package.json": root(**optional(">2 <1"))}, {}),
    ({"package.json": root(**asks("^1"), **dev("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **peer("^2"))}, {}),
    ({"package.json": root(**dev("^1"), **peer("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **optional("^2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("1.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("^1"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("$foo"))}, {}),
    ({"package.json": root(**dev("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**peer("^1"), **overrides("2.0.0"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("2.0.0", "foo@^2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides("1.0.0", "foo@^1"))}, {}),
    ({"package.json": root(**asks(">=1"), **overrides("2.0.0", "foo@2"))}, {}),
    ({"package.json": root(**asks("^1"), **overrides({".": "2.0.0"}))}, {}),
    ({"package.json": root(**asks("^1"), **overrides({"foo": "2.0.0"}, "bar"))}, {}),
    (tree({}, asks("^1"), asks("^2")), {}),
    (tree(asks("^1"), asks("^2")), {}),
    (tree({}, peer("^1"), peer("^2")), {}),
    (tree({}, peer("^1"), peer(">=1.1 <3")), {}),
    (tree({}, peer("^1"), peer("*")), {}),
    (tree(asks("^1"), peer("^2")), {}),
    (tree(asks("^1"), peer("^1.1")), {}),
    (tree(dev("^1"), peer("^2")), {}),
    (tree(asks("^1"), optional_peer("^2")), {}),
    (tree({}, optional_peer("^1"), optional_peer("^2")), {}),
    (tree({}, optional_peer("^1"), peer("^2")), {}),
    (tree({}, asks("^1"), peer("^2")), {}),
    (tree({}, asks("^1"), optional_peer("^2")), {}),
    (tree({}, {**asks("^1"), **peer("^2")}), {}),
    (tree({}, {**asks("^1"), **peer("^2")}, peer("^2")), {}),
    (tree({**asks("^1"), **peer("^2")}, peer("^2")), {}),
    (tree(overrides("2.0.0"), peer("^1"), peer("^3")), {}),
    (tree(overrides("2.0.0"), asks("^1")), {}),
    (tree({}, {**asks("^1"), **overrides("2.0.0")}), {}),
    (tree({}, peer("1 || 2"), peer("2 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("1 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("1 || 3"), peer("1")), {}),
    (tree({}, peer("1"), peer("1 || 2"), peer("1 || 3")), {}),
    (tree(asks("1"), peer("1 || 2"), peer("1 || 3")), {}),
    (tree(asks("1 || 2"), peer("1 || 3")), {}),
    (tree({}, peer("1 || 2"), peer("2 || 3"), peer("1 || 3")), {}),
    (tree({}, peer("^1.0.0-rc.1"), peer("1.0.0-rc.2")), {}),
    (tree({}, peer("^1.0.0"), peer("1.0.0-rc.2")), {}),
    (tree({}, peer(">=1.0.0-alpha <2"), peer("1.0.0-beta.2")), {}),
    (
        {"package.json": root(dependencies={"pa": "1", "pb": "1"})},
        {"pa": peer("^1"), "pb": peer("^2")},
    ),
    (
        {"package.json": root(dependencies={"pa": "1", "pb": "1"})},
        {"pa": peer("^1"), "pb": peer(">=1.1")},
    ),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^1.1"})}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1"}, **peer("^2"))}, {"pa": peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": optional_peer("^1")}),
    ({"package.json": root(dependencies={"pa": "1", "foo": "^2"})}, {"pa": asks("^1")}),
]

RANGES = [
    *(
        "^1",
        "^1.1",
        "^1.1.1",
        "~1.1",
        "~1",
        "1.x",
        "1.1.x",
        "*",
        "",
        ">=1",
        ">1",
        "<2",
        "<=2",
        ">=1.1 <2.1",
        "1 - 2",
        "1.1 - 2.0.1",
    ),
    *(
        "1.1.1",
        "=2.0.0",
        "^2",
        "^2.0.1",
        "~2.0.1",
        ">=2",
        "2 || 3",
        "1 || 2",
        "1 || 3",
        "^0.1",
        "^0.1.1",
        "^0.0.1",
        "~0.1",
        "<1 || >2",
    ),
    *(
        "^2.0.0-rc.1",
        "2.0.0-rc.1",
        ">=2.0.0-alpha <2.0.0-rc.2",
        "~2.0.0-beta.2",
        ">1.9.9 <2.0.0",
        "^3",
        "3",
        "<=1.1",
        ">2.1",
        "^1.9 || ^2.1",
    ),
]


def drawn(count):
    chance = random.Random(20_041)
    for _ in range(count):
        pick = lambda: chance.choice(RANGES)  # noqa: E731
        shape = chance.random()
        if shape < 0.15:
            sections = {}
            for section in chance.sample([asks, dev, peer, optional], chance.choice([1, 2])):
                sections |= section(pick())
            if chance.random() < 0.6:
                key = "foo" if chance.random() < 0.6 else f"foo@{pick() or '*'}"
                named = next(text for text in ranges_in(sections))
                sections |= overrides(chance.choice([pick() or "*", named or "*"]), key)
            yield {"package.json": root(**sections)}, {}
        elif shape < 0.3:
            plugins = {
                f"p{number}": chance.choice([peer, peer, optional_peer, asks])(pick())
                for number in range(chance.choice([1, 2]))
            }
            dependencies = dict.fromkeys(plugins, "1")
            if chance.random() < 0.6:
                dependencies["foo"] = pick()
            yield {"package.json": root(dependencies=dependencies)}, plugins
        else:
            top = chance.choice([{}, {}, asks(pick()), dev(pick()), peer(pick()), overrides(pick() or "*")])
            kinds = [peer, peer, peer, optional_peer, asks]
            members = [chance.choice(kinds)(pick()) for _ in range(chance.choice([1, 2, 2, 3]))]
            yield tree(top, *members), {}


def verdict(server, files, plugins):
    """Whether npm resolves the tree. Any failure but a refusal is an error of the case."""
    versions = published([*ranges_in(files), *ranges_in(plugins)])
    Registry.packages = {"foo": {version: {} for version in versions}, "bar": {"1.0.0": {}}} | {
        name: {"1.0.0": manifest} for name, manifest in plugins.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "tree")
        for path, manifest in files.items():
            file = top / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(manifest), encoding="utf-8")
        run = subprocess.run(
            [
                *("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"),
                *("--registry", f"http://127.0.0.1:{server.server_port}"),
            ],
            cwd=top,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "npm_config_cache": f"{folder}/cache",
                "npm_config_userconfig": f"{folder}/none",
                "npm_config_globalconfig": f"{folder}/none-either",
                "npm_config_update_notifier": "false",
            },
        )
    if run.returncode == 0:
        return None
    code = re.search(r"npm error code (\w+)", run.stderr)
    if code is None or code[1] not in REFUSALS:
        sys.exit(f"{files} {plugins}: {run.stderr}")
    return code[1]


def satisfied():
    """For each range, which of some versions node-semver finds in it, read loosely as npm does."""
    texts = [
        *RANGES,
        *(
            "^0",
            "^0.0",
            "~0",
            "0",
            "v1.2.3",
            "=v1.2",
            ">=v1.2",
            "> 1.2",
            "^ 1.2.3",
            "~> 1.2",
            "1.2.3 - 1.4",
            "1 - 2.x",
            "1.2.3-rc.1 - 2",
        ),
        *(
            ">1.x",
            "<1.x",
            ">=1.x",
            "<=1.1.x",
            ">*",
            "<*",
            ">=*",
            "X",
            "1.X.x",
            "1.2.3+build",
            "^1.2.3+build.5",
            ">=1.2.3-alpha.1+x <1.2.3",
        ),
        *(
            "<2.0.0-rc.1",
            "<=2.0.0-rc.1",
            ">2.0.0-rc.1",
            ">2.0.0-rc.1 <2.0.1",
            "^0.0.1-rc.1",
            "~1.1.1-rc.1",
            "1.1.1-rc.1 || 2.0.0-rc.1",
        ),
        *(
            "latest",
            "next",
            "git+https://example.org/foo.git",
            "npm:bar@^1",
            "file:../foo",
            "workspace:*",
            "1.2.3.4",
            "01.2.3",
        ),
    ]
    versions = published([*texts, "1.2.3", "1.4.0-rc.1", "0.0.1", "0.1.1"])
    script = """
      const {execSync} = require('child_process'); const path = require('path');
      const semver = require(path.join(execSync('npm root -g').toString().trim(), 'npm/node_modules/semver'));
      const {texts, versions} = JSON.parse(require('fs').readFileSync(0));
      process.stdout.write(JSON.stringify(texts.map(text => semver.validRange(text, true) === null ? null
        : versions.filter(version => semver.satisfies(version, text, true)))));
    """
    run = subprocess.run(
        ["node", "-e", script],
        input=json.dumps({"texts": texts, "versions": versions}),
        capture_output=True,
        text=True,
        check=True,
    )
    return {"versions": versions, "ranges": dict(zip(texts, json.loads(run.stdout), strict=True))}


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cases, kept = [], {True: 0, False: 0}
    proposals = [(f"written {number}", *one) for number, one in enumerate(BY_HAND)]
    proposals += [(f"drawn {number}", *one) for number, one in enumerate(drawn(600))]
    for name, files, plugins in proposals:
        if all(count >= EACH for count in kept.values()):
            break
        refused = verdict(server, files, plugins)
        print("." if refused is None else "x", end="", flush=True)
        if kept[refused is None] >= EACH:
            continue
        kept[refused is None] += 1
        held_back = name.startswith("drawn") and hashlib.sha256(name.encode()).digest()[0] % 2 == 0
        cases.append(
            {
                "name": name,
                "files": files,
                "plugins": plugins,
                "compatible": refused is None,
                "code": refused,
                "held_back": held_back,
            }
        )
    server.shutdown()
    version = subprocess.run(["npm", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    form = {"tool": f"npm {version}", "cases": cases, "semver": satisfied()}
    TARGET.write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")
    print(f"\n{len(cases)} cases, {kept[True]} of them compatible")


if __name__ == "__main__":
    main()
