"""Makes conflicts/npm.json: manifests and whether npm resolves them, and what node-semver says of ranges.

Run it with the project's Python; it needs node and npm and no network: the registry is served here, on the loopback
address alone, and its packages are empty. Cases are written by hand or drawn with a fixed seed. A case is held back by
its name alone: those measure the rules, and no rule may be changed after looking at one.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from npm_cases import BY_HAND, drawn
from npm_registry import Registry, published, ranges_in
from npm_semver import satisfied

TARGET = Path(__file__).parent / "conflicts" / "npm.json"
EACH = 110
"""How many compatible cases to keep, and how many others."""

REFUSALS = {"ERESOLVE", "EOVERRIDE", "ETARGET"}


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
