"""A refusal of PSMP, as it came in the status of a call: who, what, and how to resolve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from metaqore.psmp.v1 import refusal_pb2 as pb
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.errors import detail_of_call, error_of_call

RECEIPT_METADATA = "metaqore-receipt"


class RefusedError(MetaQoreError):
    """What the mesh decided against, or what the state forbids, with the conflicts in its way and the ways out."""

    def __init__(self, error: MetaQoreError, refusal: pb.Refusal, receipt_token: str | None) -> None:
        super().__init__(error.code, error.message, kind=error.kind, retryable=error.retryable, reasons=error.reasons)
        self.refusal = refusal
        self.receipt_token = receipt_token


@contextmanager
def psmp_errors() -> Iterator[None]:
    """Turns what a gRPC call raises in the block into `MetaQoreError`, and into `RefusedError` where it was refused."""
    try:
        yield
    except grpc.RpcError as error:
        ours, refusal = error_of_call(error), detail_of_call(error, pb.Refusal)
        raise (ours if refusal is None else RefusedError(ours, refusal, _receipt_token(error))) from error


def _receipt_token(error: Any) -> str | None:
    """The signed receipt in the head of the answer; it is there before its end is."""
    token: str | None = dict(error.initial_metadata() or ()).get(RECEIPT_METADATA)
    return token
