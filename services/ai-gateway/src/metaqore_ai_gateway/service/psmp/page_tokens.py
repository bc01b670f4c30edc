"""Where the next page of an answer begins, as an opaque text that belongs to the question that was asked."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, Final

from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import MetaQoreError

LARGEST_PAGE: Final = 1000
_LONGEST_TOKEN: Final = 16_384
_MARK_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for in pages. `asked` tells it apart from any other of the same name."""

    name: str
    asked: tuple[object, ...]

    def token(self, *place: str | int) -> str:
        """The token of the page behind this place."""
        text = json.dumps([self._mark(), *place], ensure_ascii=False, separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def place(self, token: str, *shape: type[Any]) -> tuple[Any, ...] | None:
        """The place that a token of this question holds, None for an empty token. Raises `invalid_page_token`."""
        if not token:
            return None
        found = _read(token)
        if not isinstance(found, list) or len(found) != len(shape) + 1 or found[0] != self._mark():
            raise _invalid()
        if not all(_fits(one, wanted) for one, wanted in zip(found[1:], shape, strict=True)):
            raise _invalid()
        return tuple(found[1:])

    def _mark(self) -> str:
        return hashlib.sha256(repr((self.name, self.asked)).encode()).hexdigest()[:_MARK_CHARACTERS]


def check_size(size: int) -> int:
    """The size of a page. Raises `invalid_page_size`."""
    if not 1 <= size <= LARGEST_PAGE:
        raise MetaQoreError("invalid_page_size", f"Ask for a page of 1 to {LARGEST_PAGE}.")
    return size


def _read(token: str) -> object:
    if len(token) > _LONGEST_TOKEN:
        raise _invalid()
    try:
        return json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    except (Base64Error, ValueError, RecursionError):
        raise _invalid() from None


def _fits(one: object, wanted: type[Any]) -> bool:
    """Whether it could have come from a database: a whole number, or a text that it can hold."""
    if wanted is int:
        return type(one) is int and 0 <= one <= MAX_EXACT_INTEGER
    return isinstance(one, str) and storable(one)


def _invalid() -> MetaQoreError:
    return MetaQoreError("invalid_page_token", "Take the page token from the page before, as it was given.")
