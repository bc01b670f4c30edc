"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from metaqore_ai_gateway.domain.task_view import DEFAULT_PAGE, LARGEST_PAGE
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted

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


def cut(found: Sequence[_T], size: int) -> tuple[Sequence[_T], bool]:
    """At most `size` of them, and whether there are more."""
    return found[:size], len(found) > size
