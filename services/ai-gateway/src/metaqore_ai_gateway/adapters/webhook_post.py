"""One request to where a webhook may send: the address is checked, and it is that address which is connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from metaqore_ai_gateway.adapters.http1_connection import ExchangeError, ExchangeTimeoutError, Http1Connection
from metaqore_ai_gateway.adapters.retry_after import seconds_of
from metaqore_ai_gateway.domain.webhook_target import Target, public_addresses, read_target
from metaqore_ai_gateway.service.psmp.webhook_ports import Posted
from metaqore_governance_core.errors import MetaQoreError

MOST_ADDRESSES: Final = 4

_RESOLVERS: Final = ThreadPoolExecutor(32, thread_name_prefix="webhook-resolver")
"""Threads of their own: a name server that is silent holds each for as long as the system asks it."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system resolves it. Raises `OSError`."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class WebhookPost:
    """The port `Post`. One connection a request; no proxy, no redirects, no cookies, nothing of the answer's body.

    Names are resolved here, and only addresses of the public internet are connected to, so that no answer of a name
    server leads elsewhere. `allowed_hosts` are what the operator trusts; they may be anywhere, and without TLS.
    """

    allowed_hosts: Collection[str]
    agent: str
    timeout_s: float = 15.0
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def __call__(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Posted:
        """What came of it."""
        try:
            target = read_target(url, self.allowed_hosts)
            deadline = asyncio.get_running_loop().time() + self.timeout_s
            async with asyncio.timeout_at(deadline):
                connection = await self._connected(target)
                try:
                    connection.send(self._request(target, headers, body), deadline)
                    status = await connection.head()
                    return Posted(status, retry_after_s=seconds_of(connection.headers.get(b"retry-after")))
                finally:
                    connection.abort()
        except MetaQoreError as error:
            return Posted(error=error.code)
        except (TimeoutError, ExchangeTimeoutError):
            return Posted(error="target_timeout")
        except ExchangeError:
            return Posted(error="answer_invalid")
        except ssl.SSLError:
            return Posted(error="tls_failed")
        except OSError:
            return Posted(error="target_unreachable")

    async def _connected(self, target: Target) -> Http1Connection:
        """A connection to an address that was checked. Raises `OSError`, or why none may be connected to."""
        addresses = await self._addresses(target)
        failure: OSError | None = None
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._connection(target, address)
            except OSError as error:
                failure = error
        raise failure or OSError("no address")

    async def _addresses(self, target: Target) -> Sequence[str]:
        try:
            found = await self.resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise MetaQoreError("target_unresolved", "The host's name has no address.") from error
        allowed = found if target.trusted else public_addresses(found)
        if not allowed:
            raise MetaQoreError("webhook_target_forbidden", "The host is not on the public internet.")
        return allowed

    async def _connection(self, target: Target, address: str) -> Http1Connection:
        loop = asyncio.get_running_loop()
        # A host that is an address is not resolved again.
        transport, connection = await loop.create_connection(
            Http1Connection,
            address,
            target.port,
            ssl=self.tls if target.secure else None,
            server_hostname=target.host if target.secure else None,
        )
        peer = transport.get_extra_info("peername")
        if not target.trusted and (peer is None or not public_addresses([str(peer[0])])):
            transport.abort()
            raise MetaQoreError("webhook_target_forbidden", "The host is not on the public internet.")
        return connection

    def _request(self, target: Target, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
        lines = [
            f"POST {target.path} HTTP/1.1",
            f"host: {target.authority}",
            f"user-agent: {self.agent}",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in headers),
        ]
        return "\r\n".join((*lines, "", "")).encode("ascii") + body
