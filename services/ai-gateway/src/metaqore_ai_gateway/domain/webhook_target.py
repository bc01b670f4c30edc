"""Where a webhook may send to: an address of the public internet, by HTTPS, unless the operator allows the host."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from metaqore_governance_core.errors import MetaQoreError

MAX_URL_CHARACTERS: Final = 2048

# The IANA registries of special-purpose addresses (RFC 6890), without those that are reachable from everywhere, and
# what clouds use to tell machines their secrets.
_REFUSED_V4: Final = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own, although the address is a public one
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6 only global unicast is public, and in it not what embeds IPv4 addresses, or is for protocols and documents.
# Mapped, translated (NAT64), unique local, link-local and multicast addresses all lie outside.
_PUBLIC_V6: Final = ip_network("2000::/3")
_REFUSED_V6: Final = tuple(
    ip_network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)

_HOST: Final = re.compile(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: `path` with its query. `host` is without brackets; `trusted` where the operator allows it."""

    secure: bool
    host: str
    port: int
    path: str
    trusted: bool = False

    @property
    def authority(self) -> str:
        """As the `Host` header has it (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(secure=self.secure) else f"{host}:{self.port}"


def read_target(url: str, allowed: Collection[str] = ()) -> Target:
    """The target of a URL. `allowed` are hosts, or hosts with a port, that the operator trusts.

    Raises `webhook_target_invalid` or `webhook_target_forbidden`.
    """
    if len(url) > MAX_URL_CHARACTERS or not _VISIBLE.fullmatch(url):
        raise _invalid(f"It has at most {MAX_URL_CHARACTERS} visible ASCII characters; write others as punycode or %xx")
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname or ""
    except ValueError:
        raise _invalid("Its host or port cannot be read") from None
    secure = parts.scheme == "https"
    host = f"[{name}]" if ":" in name else name
    if not (secure or parts.scheme == "http") or not _HOST.fullmatch(host) or port == 0:
        raise _invalid("It begins with https:// and names a host")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise _invalid("It holds neither a name and password nor a fragment")
    port = port or _default_port(secure=secure)
    trusted = bool({name, host, f"{host}:{port}"} & set(allowed))
    if not trusted:
        _check_public(name, secure=secure)
    return Target(secure, name, port, _path(parts), trusted)


def public_addresses(addresses: Iterable[str]) -> list[str]:
    """Those of the public internet."""
    return [one for one in addresses if is_public(one)]


def is_public(address: str) -> bool:
    """Whether it is an address that anybody may be sent to."""
    try:
        known: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv4Address):
        return not any(known in network for network in _REFUSED_V4)
    return known.scope_id is None and known in _PUBLIC_V6 and not any(known in network for network in _REFUSED_V6)


def _check_public(name: str, *, secure: bool) -> None:
    if not secure:
        raise _forbidden("Use https; the operator can allow hosts without it")
    if not name.strip(".") or name.rstrip(".").endswith(("localhost", ".internal", ".local")):
        raise _forbidden("This host is not on the public internet")
    literal = re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*|[0-9.]+|0x[0-9a-fx.]+", name)
    if literal and not is_public(name):
        raise _forbidden("This address is not on the public internet")


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _default_port(*, secure: bool) -> int:
    return 443 if secure else 80


def _invalid(why: str) -> MetaQoreError:
    return MetaQoreError("webhook_target_invalid", f"This is no address for a webhook. {why}.")


def _forbidden(why: str) -> MetaQoreError:
    return MetaQoreError("webhook_target_forbidden", f"Nothing is sent there. {why}.")
