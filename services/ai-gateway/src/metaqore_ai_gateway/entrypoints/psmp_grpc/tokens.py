"""Page tokens of lists that this door cuts itself: a number, and what another list goes on with."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import MetaQoreError


def pack(number: int, rest: str = "") -> str:
    """The token."""
    return urlsafe_b64encode(f"{number}.{rest}".encode()).rstrip(b"=").decode()


def unpack(token: str) -> tuple[int, str]:
    """What is in a token; 0 and nothing for the first page. Raises `invalid_page_token`."""
    if not token:
        return 0, ""
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (Base64Error, ValueError):
        text = ""
    number, dot, rest = text.partition(".")
    if not dot or not number.isdecimal() or len(number) > len(str(MAX_EXACT_INTEGER)):
        raise foreign_token()
    return int(number), rest


def foreign_token() -> MetaQoreError:
    """The token is not one that this call gave."""
    return MetaQoreError("invalid_page_token", "Take the page token from the page before, as it was given.")
