"""A registry of empty packages on the loopback address, with versions near every one that some ranges name."""

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import ClassVar


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
