"""What names an event: it is stored and repeated in results, so it must be no secret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from metaqore_ai_gateway.domain.chat import SEPARATOR
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.scanner import Scanner

CREDENTIAL_IN_NAME: Final = "credential_in_event_name"


def check_names(scanner: Scanner, names: Iterable[str]) -> None:
    """Raise `credential_in_event_name` where one of `names` holds a credential.

    Raises the retryable `scanner_failed` where that cannot be said: until it can, nothing is stored under them.
    """
    try:
        findings = scanner.scan(SEPARATOR.join(name.replace(SEPARATOR, "") for name in names))
    except Exception as error:
        message = "The name of the event could not be scanned; it is tried again."
        raise MetaQoreError("scanner_failed", message, kind=ErrorKind.UNAVAILABLE, retryable=True) from error
    if findings.holds_credential:
        message = "The record's key, ce_source or ce_id holds a credential. Name the event otherwise, and revoke it."
        raise MetaQoreError(CREDENTIAL_IN_NAME, message)


def bad_names(scanner: Scanner, events: Sequence[Iterable[str]]) -> list[MetaQoreError | None]:
    """For the names of each event None, or what `check_names` raises; one scan where there is nothing to find."""
    try:
        check_names(scanner, {name for names in events for name in names})
    except MetaQoreError:
        return [_checked(scanner, names) for names in events]
    return [None] * len(events)


def _checked(scanner: Scanner, names: Iterable[str]) -> MetaQoreError | None:
    try:
        check_names(scanner, names)
    except MetaQoreError as error:
        return error
    return None
