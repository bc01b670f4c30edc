"""The gRPC door, by the generated stubs and by reflection."""

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from metaqore.audit.v1 import audit_pb2, audit_pb2_grpc
from metaqore.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.receipts import parse_token
from metaqore_mesh.errors import call_errors
from running_mesh import eventually


@pytest.fixture(scope="module")
def channel(mesh):
    with grpc.insecure_channel(mesh.endpoints["grpc"]) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(mesh):
    return [("authorization", f"Bearer {mesh.api_key}")]


def request(text, **rest):
    return gateway_pb2.SubmitTaskRequest(
        messages=[gateway_pb2.Message(role="user", content=text)], max_tokens=4, **rest
    )


def test_services_are_listed_and_described_by_reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {
        "metaqore.gateway.v1.TaskService",
        "metaqore.gateway.v1.KeyService",
        "metaqore.audit.v1.AuditService",
    } <= services
    pool = DescriptorPool(database)
    assert pool.FindServiceByName("metaqore.gateway.v1.TaskService").methods_by_name["SubmitTask"].server_streaming


@pytest.mark.parametrize("stream", [True, False])
def test_a_task_is_accepted_answered_and_concluded(channel, metadata, stream):
    call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(
        request("Hello", stream=stream), metadata=metadata, timeout=60
    )
    receipt = parse_token(dict(call.initial_metadata())["metaqore-receipt"])
    events = [response.WhichOneof("event") for response in call]
    assert events[0] == "accepted"
    assert events[-1] == "outcome"
    assert "piece" in events
    assert receipt.id


def test_a_denial_is_permission_denied_with_reasons_and_a_receipt(channel, metadata):
    call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(
        request("AKIAQ3EGRZYXN5PMK7VW"), metadata=metadata, timeout=60
    )
    with pytest.raises(MetaQoreError) as denied, call_errors():
        list(call)
    assert call.code() is grpc.StatusCode.PERMISSION_DENIED
    assert denied.value.code == "credential_in_prompt"
    carried = dict(call.initial_metadata()) | dict(call.trailing_metadata())
    assert parse_token(carried["metaqore-receipt"])


@pytest.mark.parametrize(
    ("key", "asked", "code"),
    [
        pytest.param("mq_wrong", request("Hi"), grpc.StatusCode.UNAUTHENTICATED, id="bad key"),
        pytest.param(None, request("Hi", model="gpt-unknown"), grpc.StatusCode.NOT_FOUND, id="unknown model"),
        pytest.param(None, gateway_pb2.SubmitTaskRequest(), grpc.StatusCode.INVALID_ARGUMENT, id="no messages"),
    ],
)
def test_what_is_refused_has_a_status_and_a_code(channel, mesh, key, asked, code):
    metadata = [("authorization", f"Bearer {key or mesh.api_key}")]
    call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(asked, metadata=metadata, timeout=60)
    with pytest.raises(MetaQoreError) as refused, call_errors():
        list(call)
    assert call.code() is code
    assert refused.value.code


def test_a_deadline_that_passes_ends_the_task(channel, metadata, mesh):
    long = gateway_pb2.SubmitTaskRequest(
        messages=[gateway_pb2.Message(role="user", content="Tell me a very long story.")],
        max_tokens=1500,
        temperature=0.0,  # drawn by chance, a story may be a line
        stream=True,
    )
    call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(long, metadata=metadata, timeout=1.0)
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    task = parse_token(dict(call.initial_metadata())["metaqore-receipt"]).task
    eventually(lambda: mesh.json("task", "show", task)["state"] in {"failed", "cancelled"})


def test_the_gateway_passes_reads_of_the_log_on(channel, metadata):
    stub = audit_pb2_grpc.AuditServiceStub(channel)
    eventually(lambda: stub.GetCheckpoint(audit_pb2.GetCheckpointRequest(), metadata=metadata, timeout=60).checkpoint)
    with pytest.raises(grpc.RpcError):
        stub.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=60)
    with pytest.raises(grpc.RpcError):
        stub.GetWriterProgress(audit_pb2.GetWriterProgressRequest(writer="gw"), metadata=metadata, timeout=60)


def test_one_organization_sees_nothing_of_another(mesh, channel):
    mine = mesh.json("task", "submit", "Hi", "--max-tokens", "2")
    eventually(lambda: mesh.json("audit", "verify", mine["receipt"])["verified"] == 1)
    other = mesh.json("key", "create", "stranger", "--organization", "new")
    metadata = [("authorization", f"Bearer {other['secret']}")]
    tasks, audit = gateway_pb2_grpc.TaskServiceStub(channel), audit_pb2_grpc.AuditServiceStub(channel)
    eventually(lambda: _code(lambda: tasks.ListTasks(gateway_pb2.ListTasksRequest(), metadata=metadata)) is None)
    assert list(tasks.ListTasks(gateway_pb2.ListTasksRequest(), metadata=metadata).tasks) == []
    assert _code(lambda: tasks.GetTask(gateway_pb2.GetTaskRequest(id=mine["task"]), metadata=metadata)) == "NOT_FOUND"
    asked = audit_pb2.GetReceiptRequest(receipt_id=mine["receipt"])
    assert _code(lambda: audit.GetReceipt(asked, metadata=metadata)) == "NOT_FOUND"
    assert list(audit.ListRecords(audit_pb2.ListRecordsRequest(), metadata=metadata)) == []


def _code(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name
    return None
