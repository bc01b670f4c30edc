"""Whether the broker can be reached, and how often it was lost: one idle connection that is asked now and then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.calm import EVERY_S
from metaqore_mesh.kafka.connection import REQUEST_TIMEOUT_S, connection_options
from metaqore_mesh.kafka.errors import BrokerUnavailable
from metaqore_mesh.kafka.metrics import CONNECTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)

_ASK_EVERY_S = 2.0


class BrokerProbe:
    """Holds a connection to a bootstrap server of its own.

    A broker that dies closes it before a successor can listen, so `losses` has risen by the time any other client of
    this process can read from the successor. What was read before may then be gone: the embedded broker comes back
    empty. `prepare` runs on each new connection; only when it is done does the broker count as connected.
    """

    def __init__(
        self, settings: KafkaSettings, *, client_id: str, prepare: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._prepare = prepare
        self._on_loss: list[Callable[[], None]] = []
        self._backoff = Backoff(most_s=1.0)
        self._watch: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._stopped = False
        self.losses = 0
        self._told = ""
        self._tell_again = 0.0

    @property
    def connected(self) -> bool:
        """Whether the broker answered when last asked, and has not hung up since."""
        return self._up.is_set()

    async def start(self) -> None:
        """Begin to connect; does not wait for a broker that is not there."""
        self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Hang up."""
        self._stopped = True
        if self._watch:
            self._watch.cancel()
            await asyncio.wait([self._watch])
            self._watch = None

    async def wait_connected(self) -> None:
        """Return once the broker answers."""
        await self._up.wait()

    async def wait_lost(self, losses: int) -> None:
        """Return once the connection was lost more than `losses` times."""
        while self.losses <= losses:
            await self._lost.wait()

    def on_loss(self, act: Callable[[], None]) -> None:
        """Have `act` called in the very step in which a loss is seen."""
        self._on_loss.append(act)

    async def _keep(self) -> None:
        attempt = 0
        while True:
            for host, port, _ in collect_hosts(self._settings.bootstrap_servers):
                before = self.losses
                try:
                    await self._hold(host, port)
                except (KafkaError, OSError, BrokerUnavailable) as error:
                    self._tell(str(error))
                if self.losses > before:
                    attempt = 0
            attempt += 1
            await asyncio.sleep(self._backoff.delay_s(attempt))

    def _tell(self, error: str) -> None:
        """Say why there is no connection: at once, and then once in a while for as long as it stays the same."""
        now = asyncio.get_running_loop().time()
        if error != self._told or now >= self._tell_again:
            log.warning("kafka.not_connected", client=self._client_id, error=error)
            self._told, self._tell_again = error, now + EVERY_S

    async def _hold(self, host: str, port: int) -> None:
        """Connect and stay; returns once the connection is lost, raises where there was none."""
        closed = asyncio.Event()

        def hung_up(*_: object) -> None:
            closed.set()
            self._set_down()

        options = connection_options(self._settings, self._client_id)
        connection = await create_conn(host, port, on_close=hung_up, **options)
        try:
            if self._prepare:
                await self._prepare()
            if not closed.is_set():
                self._set_up()
            while not closed.is_set():
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await connection.send(ApiVersionRequest())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ASK_EVERY_S):
                        await closed.wait()
        finally:
            connection.close()  # calls hung_up, unless the broker was first

    def _set_up(self) -> None:
        self._up.set()
        self._told = ""
        CONNECTED.labels(client=self._client_id).set(1)
        log.info("kafka.connected", client=self._client_id)

    def _set_down(self) -> None:
        if not self._up.is_set():
            return
        self._up.clear()
        self.losses += 1
        for act in self._on_loss:
            act()
        self._lost.set()
        self._lost.clear()
        CONNECTED.labels(client=self._client_id).set(0)
        if not self._stopped:
            log.warning("kafka.connection_lost", client=self._client_id)
