"""Errors of a gRPC method, told to the client: ours with their code, anything else as `internal`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.errors import error_of_call, grpc_code, grpc_message, grpc_trailing_metadata, internal_error
from metaqore_mesh.grpc.handlers import Context

_log = structlog.get_logger()


@asynccontextmanager
async def told(method: str, context: Context) -> AsyncIterator[None]:
    """Ends a call with the rich status of the error its handler raised. No text of an unknown error leaves."""
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise  # the client left, or the handler has told it already
    except MetaQoreError as error:
        await _abort(context, error)
    except grpc.RpcError as error:
        await _abort(context, error_of_call(error))
    except Exception:  # noqa: BLE001 - whatever it is, the client gets a status and the log gets the cause
        _log.exception("grpc.failed", method=method)
        await _abort(context, internal_error())


async def _abort(context: Context, error: MetaQoreError) -> None:
    trailing = (*(context.trailing_metadata() or ()), *grpc_trailing_metadata(error))
    await context.abort(grpc_code(error), grpc_message(error), trailing)
