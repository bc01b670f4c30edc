"""A toxiproxy of a test's own: links that a test may cut, slow and mend."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from metaqore_mesh.ports import free_ports

VENDORED = Path(__file__).parents[3] / "shared" / "vendor" / "bin"


@dataclass(frozen=True)
class Link:
    """A TCP link through the proxy: `address` is where clients connect."""

    api: str
    name: str
    address: str

    def cut(self) -> None:
        """Closes its connections and takes no new one."""
        httpx.post(f"{self.api}/proxies/{self.name}", json={"enabled": False}).raise_for_status()

    def mend(self) -> None:
        """Takes connections again."""
        httpx.post(f"{self.api}/proxies/{self.name}", json={"enabled": True}).raise_for_status()

    def slow(self, latency_ms: int, jitter_ms: int = 0) -> None:
        """Delays what the server sends."""
        attributes = {"latency": latency_ms, "jitter": jitter_ms}
        toxic = {"name": "slow", "type": "latency", "attributes": attributes}
        httpx.post(f"{self.api}/proxies/{self.name}/toxics", json=toxic).raise_for_status()

    def swift(self) -> None:
        """Ends the delay."""
        httpx.delete(f"{self.api}/proxies/{self.name}/toxics/slow").raise_for_status()


@dataclass(frozen=True)
class Toxiproxy:
    """The running proxy."""

    api: str

    def link(self, name: str, listen: int, upstream: int) -> Link:
        """A new link from port `listen` to port `upstream`, both on 127.0.0.1."""
        address = f"127.0.0.1:{listen}"
        proxy = {"name": name, "listen": address, "upstream": f"127.0.0.1:{upstream}"}
        httpx.post(f"{self.api}/proxies", json=proxy).raise_for_status()
        return Link(self.api, name, address)


@contextmanager
def toxiproxy(directory: Path) -> Iterator[Toxiproxy]:
    """The vendored toxiproxy, unpacked into `directory`, for as long as the block runs."""
    subprocess.run([str(VENDORED / "unpack.sh"), str(directory), "toxiproxy-server"], check=True)
    [port] = free_ports(1)
    command = [str(directory / "toxiproxy-server"), "-host", "127.0.0.1", "-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        api = f"http://127.0.0.1:{port}"
        try:
            _await(api)
            yield Toxiproxy(api)
        finally:
            process.kill()


def _await(api: str) -> None:
    for _ in range(100):
        try:
            httpx.get(f"{api}/version").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("toxiproxy did not start")
