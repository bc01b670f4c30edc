"""Pages of lists, and the tokens that lead from one to the next."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from metaqore_ai_gateway.domain.task_view import DEFAULT_PAGE, LARGEST_PAGE
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import MetaQoreError

LONGEST_TOKEN: Final = 8192

_T = TypeVar("_T")


class NoQuery(BaseModel):
    """Nothing may be asked beside the path."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(BaseModel):
    """Which page. An unknown parameter is refused."""

    model_config = ConfigDict(extra="forbid")

    page_size: int = Field(DEFAULT_PAGE, ge=1, le=LARGEST_PAGE, description="How many at most.")
    page_token: str = Field(
        "", max_length=LONGEST_TOKEN, description="`next_page_token` of the page before, as it was given."
    )

    @property
    def wanted(self) -> Wanted:
        """The page as the readings take it."""
        return Wanted(self.page_token, self.page_size)


def number_token(number: int) -> str:
    """The token of the page behind this number."""
    return urlsafe_b64encode(str(number).encode()).rstrip(b"=").decode()


def read_number_token(token: str) -> int | None:
    """The number that the page begins behind; None for the first page. Raises `invalid_page_token`."""
    if not token:
        return None
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (Base64Error, ValueError):
        text = ""
    if not text.isdecimal() or len(text) > len(str(MAX_EXACT_INTEGER)) or int(text) > MAX_EXACT_INTEGER:
        raise MetaQoreError("invalid_page_token", "Take the page token from the page before, as it was given.")
    return int(text)


def cut(found: Sequence[_T], size: int) -> tuple[Sequence[_T], bool]:
    """At most `size` of them, and whether there are more."""
    return found[:size], len(found) > size
