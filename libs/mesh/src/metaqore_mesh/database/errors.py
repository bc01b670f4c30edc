"""PostgreSQL's errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

_CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
_UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InterfaceError,
)
_ENDED = "cannot switch to state"
"""How asyncpg's error begins where the server ended an idle session a moment ago (its issue 1069)."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns what a repeat may mend into `MetaQoreError`: `database_unavailable` or `database_conflict`.

    A constraint that is violated or a statement that is wrong stays asyncpg's: its place to be told is the adapter
    that wrote the statement, and anywhere else it is a fault.

    A task that is cancelled stays so: where the database does not answer, to give up a statement fails as well, and
    whoever outlives such failures would go on.
    """
    try:
        yield
    except _CONFLICTS as error:
        message = "Something else changed the same data at the same time. Try again."
        raise MetaQoreError("database_conflict", message, kind=ErrorKind.UNAVAILABLE, retryable=True) from error
    except _UNREACHABLE as error:
        if isinstance(error, ValueError):
            raise  # asyncpg refused an argument or the URL: nothing that a repeat mends
        raise _unavailable() from error
    except asyncpg.InternalClientError as error:
        if not str(error).startswith(_ENDED):
            raise
        raise _unavailable() from error


def url_invalid(why: str) -> MetaQoreError:
    """`settings_invalid` for METAQORE_DATABASE__URL, which is not shown: it may hold a password."""
    return MetaQoreError(
        "settings_invalid",
        f"METAQORE_DATABASE__URL: {why}. Give role, password, host and database in one URL that begins with "
        "postgresql://, with what is special in a password in percent-encoding.",
    )


def _unavailable() -> MetaQoreError | asyncio.CancelledError:
    current = asyncio.current_task()
    if current is not None and current.cancelling():
        return asyncio.CancelledError()
    message = "The database does not answer. Try again; if it stays, check that it runs and METAQORE_DATABASE__URL."
    return MetaQoreError("database_unavailable", message, kind=ErrorKind.UNAVAILABLE, retryable=True)
