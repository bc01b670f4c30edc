"""What can go wrong on the bus, each with a stable code."""
# ruff: noqa: N818 - these name what has happened

from __future__ import annotations

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class BrokerUnavailable(MetaQoreError):
    """The broker did not take or answer something within the deadline. A repeat may help."""

    def __init__(self, message: str) -> None:
        super().__init__("broker_unavailable", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


class RecordTooLarge(MetaQoreError):
    """The record is larger than the broker or the producer takes. A repeat does not help."""

    def __init__(self, message: str) -> None:
        super().__init__("record_too_large", message, kind=ErrorKind.TOO_LARGE)


class PoisonRecord(MetaQoreError):
    """This record can never be handled: it goes to the dead letters with `code` and `message` as its cause.

    The message is stored beside the record; it must not repeat what the record holds.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.UNPROCESSABLE)
