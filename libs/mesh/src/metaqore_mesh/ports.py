"""TCP ports of this machine: which are free, and who holds the others."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

_LISTENING = "0A"
_FIRST_FREE = 10_240
_USUAL_EPHEMERAL = 32_768
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    program: str


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different ports that nothing listens on.

    They lie below the ephemeral range, so that no outgoing connection takes one before it is used, or while the
    part that listens on it is restarted.
    """
    ephemeral = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else _USUAL_EPHEMERAL
    below = ephemeral if ephemeral > 2 * _FIRST_FREE else _USUAL_EPHEMERAL
    candidates = random.SystemRandom().sample(range(_FIRST_FREE, below), 10 * count)
    found = [port for port in candidates if is_free(host, port)][:count]
    if len(found) < count:
        raise MetaQoreError(
            "no_free_ports", "Almost every port of this machine is in use.", kind=ErrorKind.UNAVAILABLE, retryable=True
        )
    return found


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host`:`port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def require_free(host: str, wanted: Mapping[str, int]) -> None:
    """Raise `MetaQoreError` that names each port in use, who holds it, and the variable (the key) that moves ours."""
    held = {variable: port for variable, port in wanted.items() if not is_free(host, port)}
    if not held:
        return
    lines = [f"Port {port} is held by {_described(port)}; {variable} takes another." for variable, port in held.items()]
    raise MetaQoreError(
        "port_in_use",
        "\n".join([*lines, "Or take free ports for all: `metaqore up --free-ports` (METAQORE_FREE_PORTS=true)."]),
        kind=ErrorKind.UNAVAILABLE,
        retryable=True,
    )


def holder(port: int) -> Holder | None:
    """Who listens on `port`; None where nobody does or where it is another user's process, which /proc hides."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if sockets and any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return Holder(int(process.name), program_of(int(process.name)))
    return None


def program_of(pid: int) -> str:
    """The command line of a process, cut to what a person recognises; empty where it cannot be read."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:120]
    return ""


def _described(port: int) -> str:
    found = holder(port)
    return f"process {found.pid} ({found.program})" if found else "a process of another user, or one not shown here"


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
