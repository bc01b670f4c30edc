"""A group commit as it arrived: records that one signature of their writer covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from metaqore_governance_core.group import GroupHead


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a failure
    """A group that can never enter a log as it is. `code` is stable, the message is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unreadable(Refused):
    """A group of a later version than this auditor knows: it waits for an auditor that can read it."""


class Facts(NamedTuple):
    """What the auditor reads of a record. `decision` is the leaf hash, in hex, that an outcome names.

    `task` is None in the record of a command, which is no task.
    """

    kind: str
    organization: str
    organization_sequence: int
    receipt: str
    sequence: int
    task: str | None
    time_us: int
    writer: str
    decision: str | None = None


class Leaf(NamedTuple):
    """A record's canonical bytes, its RFC 6962 leaf hash, and what it says."""

    record: bytes
    hash: bytes
    facts: Facts


@dataclass(frozen=True, slots=True)
class SignedGroup:
    """A head, its writer's Ed25519 signature, and the records under it, in their order."""

    head: GroupHead
    signature: bytes
    leaves: tuple[Leaf, ...]

    @property
    def first(self) -> int:
        """The sequence of the first record."""
        return self.head.first_sequence

    @property
    def last(self) -> int:
        """The sequence of the last record."""
        return self.head.first_sequence + self.head.count - 1
