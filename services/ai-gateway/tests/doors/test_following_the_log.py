"""A log is followed over gRPC as long as the key is in force."""

import asyncio
from functools import partial

import grpc
import pytest

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1 import audit_pb2_grpc
from metaqore_ai_gateway.entrypoints.grpc_audit import AuditServicer
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.errors import error_of_call
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health


class Following:
    """The auditor's answers to one who follows: a record, and then nothing."""

    def __init__(self):
        self.cancelled = asyncio.Event()

    def ListRecords(self, _request, **_options):  # noqa: N802 - the contract's
        return self

    async def __aiter__(self):
        yield pb.ListRecordsResponse(records=[pb.LogRecord(leaf_index=0)])
        await self.cancelled.wait()

    def cancel(self):
        self.cancelled.set()


@pytest.fixture
def revoked():
    return asyncio.Event()


@pytest.fixture
async def following(revoked):
    async def authenticate(_metadata):
        if revoked.is_set():
            raise MetaQoreError("invalid_api_key", "Who are you?", kind=ErrorKind.UNAUTHENTICATED)
        return Caller("key_1", "acme", "ann", frozenset({"audit:read"}))

    auditor = Following()
    servicer = AuditServicer(auditor, authenticate, check_s=0.2)
    register = partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer)
    services = {"metaqore.audit.v1.AuditService": register}
    async with (
        serve_grpc("127.0.0.1:0", services, authenticate=authenticate, health=Health(), grace_s=0.1) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel,
    ):
        yield audit_pb2_grpc.AuditServiceStub(channel), auditor


async def test_a_key_that_is_revoked_follows_no_more(following, revoked):
    log, auditor = following
    call = log.ListRecords(pb.ListRecordsRequest(follow=True), timeout=20)
    assert (await call.read()).records[0].leaf_index == 0
    await asyncio.sleep(0.5)
    assert not auditor.cancelled.is_set()
    revoked.set()
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
        await auditor.cancelled.wait()
    assert error_of_call(ended.value).code == "invalid_api_key"
