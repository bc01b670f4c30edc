"""Asks a part how it is: by its readiness probe, or by whether it takes a connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

ASK_TIMEOUT_S = 3.0

_HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """`reason` is None where all is well. `answered` is false where nobody was there to say so.

    `checks` decide; `notices` tell of what is wrong and stops no work.
    """

    reason: str | None = None
    answered: bool = True
    checks: dict[str, Any] = field(default_factory=dict)
    notices: dict[str, Any] = field(default_factory=dict)


async def ask(probe: str) -> Answer:
    """Ask `http://host:port/path`, which answers as the probes of a service, or `tcp://host:port` or `unix:///path`."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            return await _asked(probe)
    except TimeoutError:
        return Answer(f"no answer within {ASK_TIMEOUT_S:g} s", answered=False)
    except (OSError, ValueError) as error:
        return Answer(f"no answer: {error}", answered=False)


async def _asked(probe: str) -> Answer:
    url = urlsplit(probe)
    if url.scheme == "unix":
        reader, writer = await asyncio.open_unix_connection(url.path)
    else:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        if url.scheme != "http":
            return Answer()
        writer.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
        return _parsed(await reader.read())
    finally:
        writer.close()


def _parsed(response: bytes) -> Answer:
    head, _, body = response.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.count(b" ") else 0
    told: dict[str, dict[str, Any]] = json.loads(body)
    checks, notices = told.get("checks", {}), told.get("notices", {})
    failed = [f"{name}: {check['reason']}" for name, check in checks.items() if not check["ok"]]
    if status == _HTTP_OK:
        return Answer(checks=checks, notices=notices)
    return Answer("; ".join(failed) or f"status {status}", checks=checks, notices=notices)
