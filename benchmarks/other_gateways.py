"""LiteLLM's proxy and Portkey's open-source gateway as processes here, each with the stub as its only provider."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from http_load import Target
from stub_mesh import Served

OTHERS: Final = Path(__file__).with_name("others")
LITELLM_BIN: Final = OTHERS / "litellm" / ".venv" / "bin"
PORTKEY_PACKAGE: Final = OTHERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"
START_S: Final = 120.0
"""How long a gateway may take until it answers; LiteLLM imports for ten seconds and more."""

MASTER_KEY: Final = "sk-benchmark"

LITELLM_CONFIG: Final = """\
model_list:
  - model_name: stub
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{port}/v1", api_key: stub}}
general_settings: {{master_key: {key}}}
litellm_settings: {{request_timeout: 600, num_retries: 0, callbacks: []}}
"""
"""What LiteLLM's production checklist and its own benchmark configure, less a database."""

LITELLM_ENVIRONMENT: Final = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
}
"""No log line for each request, no debugging, and every list from the package rather than from the network."""


class StartError(Exception):
    """A gateway is not installed or did not come up. The message says what to do, or how its output ended."""


@dataclass(frozen=True, slots=True)
class HeadedTarget(Target):
    """A target whose requests carry more headers."""

    headers: tuple[tuple[str, str], ...] = ()

    def request(self, body: bytes) -> bytes:
        """The bytes of a chat request, with the headers after its first line."""
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers).encode()
        line, _, rest = Target.request(self, body).partition(b"\r\n")
        return line + b"\r\n" + more + rest


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: its name and version, where it answers, the process at the root of its tree."""

    name: str
    version: str
    target: Target
    pid: int


@contextmanager
def litellm(upstream: Served) -> Iterator[Gateway]:
    """LiteLLM's proxy, one Uvicorn worker, until the block ends. Raises `StartError`."""
    program = LITELLM_BIN / "litellm"
    _need(program)
    ask = "import importlib.metadata as m; print(m.version('litellm'))"
    version = subprocess.run([LITELLM_BIN / "python", "-c", ask], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory:
        config = Path(directory, "config.yaml")
        config.write_text(LITELLM_CONFIG.format(port=upstream.port, key=MASTER_KEY))
        port = _free_port()
        command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        with _started(command, LITELLM_ENVIRONMENT, directory, port, "/health/liveliness") as pid:
            yield Gateway("LiteLLM", version.stdout.strip(), Target(port, MASTER_KEY), pid)


@contextmanager
def portkey(upstream: Served) -> Iterator[Gateway]:
    """Portkey's gateway on Node, without its console, until the block ends. Raises `StartError`."""
    program = PORTKEY_PACKAGE / "build" / "start-server.js"
    _need(program)
    version = str(json.loads((PORTKEY_PACKAGE / "package.json").read_text())["version"])
    headers = (("x-portkey-provider", "openai"), ("x-portkey-custom-host", f"http://127.0.0.1:{upstream.port}/v1"))
    port = _free_port()
    command = ["node", str(program), "--headless", f"--port={port}"]
    with (
        tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory,
        _started(command, {"NODE_ENV": "production"}, directory, port, "/") as pid,
    ):
        yield Gateway("Portkey", version, HeadedTarget(port, MASTER_KEY, headers), pid)


@contextmanager
def _started(
    command: Sequence[str], environment: dict[str, str], directory: str, port: int, path: str
) -> Iterator[int]:
    """The process of `command` once `path` answers, until the block ends."""
    output = Path(directory, "output")
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | environment, cwd=directory, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _await_answer(process, port, path, output)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: subprocess.Popen[bytes], port: int, path: str, output: Path) -> None:
    ends = time.monotonic() + START_S
    while not _answers(port, path):
        if process.poll() is not None or time.monotonic() > ends:
            tail = output.read_text(errors="replace")[-2000:]
            raise StartError(f"{process.args!r} did not come up. Its output ended:\n{tail}")
        time.sleep(0.2)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _need(program: Path) -> None:
    if not program.exists():
        raise StartError(f"{program} is missing. `make bench-others` installs it, then measures.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
