"""A task as its organization may see it: no prompt, no answer."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.task import TaskState

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 1000
_TASK_ID: Final = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class TaskView:
    """One row of the projection. Times are microseconds since the Unix epoch."""

    id: str
    organization: str
    project: str | None
    state: TaskState
    door: str
    caller: str
    model: str
    provider: str | None
    sensitivity: str
    sensitivity_sources: tuple[str, ...]
    verdict: str
    reasons: tuple[str, ...]
    policy: str
    policy_version: str
    receipt: str
    error: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_us: int | None
    attempts: int
    created_us: int
    ended_us: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Which tasks of an organization are wanted: newest first, those older than `before`, in `state` if given."""

    size: int = DEFAULT_PAGE
    before: str | None = None
    state: TaskState | None = None


def page_size(wanted: int) -> int:
    """The size of a page; 0 takes the default. Raises `invalid_page_size`."""
    if not 0 <= wanted <= LARGEST_PAGE:
        raise MetaQoreError("invalid_page_size", f"Ask for a page of 1 to {LARGEST_PAGE} tasks.")
    return wanted or DEFAULT_PAGE


def page_token(last: TaskView) -> str:
    """The token of the page after the one that ends with `last`."""
    return urlsafe_b64encode(last.id.encode()).rstrip(b"=").decode()


def read_page_token(token: str) -> str | None:
    """The id that the page begins after; None for an empty token. Raises `invalid_page_token`."""
    if not token:
        return None
    try:
        before = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (Base64Error, ValueError):
        before = ""
    if not _TASK_ID.fullmatch(before):
        raise MetaQoreError("invalid_page_token", "Take the page token from the page before, as it was given.")
    return before
