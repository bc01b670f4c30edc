"""What the node-semver inside npm finds in many ranges."""

import json
import subprocess

from npm_cases import RANGES
from npm_registry import published


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
            "* || 1.1.1-rc.1",
            "1.1.1-rc.1 - 2 || x",
            ">=0 || 1.1.1-rc.1",
            "* 1.1.1-rc.1",
        ),
        *("1 - =2", "=v1 - v2.1", "1.2.3 || latest", "next || ^1.2", "foo ^1.2", "1 - foo", "latest next", "^1 - ^2"),
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
