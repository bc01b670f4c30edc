import asyncio
import contextlib

import grpc
import pytest
from looking import until

from metaqore.audit.v1 import audit_pb2, audit_pb2_grpc
from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore.gateway.v1 import gateway_pb2_grpc
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.receipts import parse_token
from metaqore_mesh.errors import error_of_call

pytestmark = pytest.mark.asyncio(loop_scope="module")


def asked(text="hello", **rest):
    return pb.SubmitTaskRequest(messages=[pb.Message(role="user", content=text)], **rest)


async def submit(gateway, request, **options):
    """The responses and the receipt of a call. Raises the error that it ended with."""
    async with gateway.channel() as channel:
        options.setdefault("metadata", gateway.metadata)
        call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(request, timeout=20, **options)
        try:
            responses = [response async for response in call]
        except grpc.RpcError as error:
            raise error_of_call(error) from error
        return responses, dict(await call.initial_metadata())["metaqore-receipt"]


@pytest.mark.parametrize(("stream", "pieces"), [(False, ["hello there"]), (True, ["hello ", "there"])])
async def test_a_task_is_accepted_answered_and_concluded(gateway, stream, pieces):
    responses, receipt = await submit(gateway, asked(stream=stream))
    kinds = [response.WhichOneof("event") for response in responses]
    assert kinds == ["accepted", *["piece"] * len(pieces), "outcome"]
    assert [response.piece.text for response in responses[1:-1]] == pieces
    outcome = responses[-1].outcome
    assert (outcome.state, outcome.prompt_tokens, outcome.completion_tokens) == (pb.TASK_STATE_DONE, 3, 2)
    accepted = responses[0].accepted
    assert accepted.receipt_token == receipt
    assert parse_token(receipt).task == accepted.task_id
    assert accepted.sensitivity == pb.SENSITIVITY_PUBLIC


async def test_a_label_raises_the_sensitivity(gateway):
    responses, _ = await submit(gateway, asked(sensitivity=pb.SENSITIVITY_SENSITIVE))
    assert responses[0].accepted.sensitivity == pb.SENSITIVITY_SENSITIVE


async def test_a_denial_carries_its_receipt(gateway):
    async with gateway.channel() as channel:
        call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(
            asked("AKIAQ3EGRZYXN5PMK7VW"), metadata=gateway.metadata, timeout=20
        )
        with pytest.raises(grpc.RpcError) as ended:
            _ = [response async for response in call]
        denied = error_of_call(ended.value)
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert (denied.code, "credential_in_prompt" in denied.reasons) == ("credential_in_prompt", True)
        initial, trailing = dict(await call.initial_metadata()), dict(await call.trailing_metadata())
        assert initial["metaqore-receipt"] == trailing["metaqore-receipt"]
    task = parse_token(initial["metaqore-receipt"]).task
    assert [record.kind for record in gateway.records_of(task)] == ["decision", "outcome"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(asked(model="none"), "model_not_found", id="unknown model"),
        pytest.param(pb.SubmitTaskRequest(), "messages_empty", id="no messages"),
        pytest.param(pb.SubmitTaskRequest(messages=[pb.Message(content="a")]), "invalid_type", id="no role"),
        pytest.param(asked(sensitivity=17), "sensitivity_unknown", id="a sensitivity of tomorrow"),
        pytest.param(asked(temperature=float("nan")), "invalid_type", id="a temperature that is no number"),
        pytest.param(asked(project="a\nb"), "invalid_type", id="a line break in the project"),
        pytest.param(asked(idempotency_key="ä"), "invalid_idempotency_key", id="no key"),
    ],
)
async def test_what_is_refused_has_its_code(gateway, request_, code):
    with pytest.raises(MetaQoreError) as refused:
        await submit(gateway, request_)
    assert refused.value.code == code
    assert "/v1/" not in refused.value.message  # what another door offers is no help here


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param((), "missing_api_key", id="no key"),
        pytest.param((("authorization", "Bearer mq_x"),), "invalid_api_key", id="an unknown key"),
        pytest.param((("metaqore-organization", "org_x"),), "missing_api_key", id="only claims"),
    ],
)
async def test_nobody_comes_in_without_a_key(gateway, metadata, code):
    with pytest.raises(MetaQoreError) as refused:
        await submit(gateway, asked(), metadata=metadata)
    assert refused.value.code == code


@pytest.mark.parametrize(("known", "code"), [(True, "request_unreadable"), (False, "missing_api_key")])
@pytest.mark.parametrize("method", ["SubmitTask", "GetTask"])
async def test_what_is_no_message_is_told_so_to_who_has_a_key(gateway, method, known, code):
    async with gateway.channel() as channel:
        send = channel.stream_stream(f"/metaqore.gateway.v1.TaskService/{method}")
        with pytest.raises(grpc.RpcError) as ended:
            _ = [got async for got in send(iter([b"\xff" * 4]), metadata=gateway.metadata if known else (), timeout=20)]
    assert error_of_call(ended.value).code == code


async def test_a_client_that_leaves_cancels_its_task(gateway):
    gateway.provider.waiting.clear()
    left = gateway.provider.left
    async with gateway.channel() as channel:
        call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(
            asked("wait", stream=True), metadata=gateway.metadata, timeout=20
        )
        first = await call.read()
        async with asyncio.timeout(60):
            await gateway.provider.waiting.wait()
        call.cancel()
        await until(lambda: gateway.provider.left > left)
    await until(lambda: len(gateway.records_of(first.accepted.task_id)) > 1)
    decision, outcome = gateway.records_of(first.accepted.task_id)
    assert (decision.kind, outcome.kind, outcome.state) == ("decision", "outcome", "cancelled")


async def test_the_clients_deadline_is_the_tasks(gateway):
    async with gateway.channel() as channel:
        call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(asked("wait"), metadata=gateway.metadata, timeout=3)
        first = await call.read()
        with pytest.raises(grpc.RpcError):
            await call.read()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: len(gateway.records_of(first.accepted.task_id)) > 1)
    *_, outcome = gateway.records_of(first.accepted.task_id)
    assert outcome.state in {"failed", "cancelled"}


async def test_a_repeat_with_the_same_key_gets_the_first_answer(gateway, submitted):
    calls = gateway.provider.calls
    request = asked(stream=True, idempotency_key=submitted.source)
    first, receipt = await submit(gateway, request)
    again, receipt_again = await submit(gateway, request)
    assert (again, receipt_again) == (first, receipt)
    assert gateway.provider.calls == calls + 1
    with pytest.raises(MetaQoreError) as refused:
        await submit(gateway, asked("other", stream=True, idempotency_key=submitted.source))
    assert refused.value.code == "idempotency_body_differs"


async def test_a_denied_task_does_not_keep_its_key(gateway, submitted):
    request = asked("AKIAQ3EGRZYXN5PMK7VW", idempotency_key=submitted.source)
    for _ in range(2):
        with pytest.raises(MetaQoreError) as denied:
            await submit(gateway, request)
        assert denied.value.code == "credential_in_prompt"


async def is_done(tasks, id_, metadata):
    """Whether the table of tasks has seen the end of this one."""
    with contextlib.suppress(grpc.RpcError):  # not found
        return (await tasks.GetTask(pb.GetTaskRequest(id=id_), metadata=metadata)).task.state == pb.TASK_STATE_DONE


async def test_tasks_are_listed_newest_first_and_found(gateway):
    ids = [(await submit(gateway, asked()))[0][0].accepted.task_id for _ in range(3)]
    async with gateway.channel() as channel:
        tasks = gateway_pb2_grpc.TaskServiceStub(channel)
        await until(lambda: is_done(tasks, ids[2], gateway.metadata))
        page = await tasks.ListTasks(pb.ListTasksRequest(page_size=2), metadata=gateway.metadata)
        assert [task.id for task in page.tasks] == [ids[2], ids[1]]
        rest = await tasks.ListTasks(
            pb.ListTasksRequest(page_size=1, page_token=page.next_page_token), metadata=gateway.metadata
        )
        assert [task.id for task in rest.tasks] == [ids[0]]
        found = (await tasks.GetTask(pb.GetTaskRequest(id=ids[0]), metadata=gateway.metadata)).task
        assert (found.state, found.door, found.attempts) == (pb.TASK_STATE_DONE, "grpc", 1)
        assert found.end_time.ToMicroseconds() >= found.create_time.ToMicroseconds()


async def revoked(gateway, secret):
    return not await gateway.knows(secret)


async def test_a_key_is_made_used_and_revoked(gateway):
    async with gateway.channel() as channel:
        keys = gateway_pb2_grpc.KeyServiceStub(channel)
        made = await keys.CreateKey(pb.CreateKeyRequest(caller="bob"), metadata=gateway.metadata)
        metadata = (("x-api-key", made.secret),)
        await until(lambda: gateway.knows(made.secret))
        await submit(gateway, asked(), metadata=metadata)
        listed = await keys.ListKeys(pb.ListKeysRequest(), metadata=gateway.metadata)
        assert made.key.id in {key.id for key in listed.keys}
        with pytest.raises(grpc.RpcError) as refused:
            await keys.ListKeys(pb.ListKeysRequest(), metadata=metadata)
        assert error_of_call(refused.value).code == "missing_scope"
        await keys.RevokeKey(pb.RevokeKeyRequest(id=made.key.id), metadata=gateway.metadata)
        await until(lambda: revoked(gateway, made.secret), looks=60)
        with pytest.raises(MetaQoreError) as gone:
            await submit(gateway, asked(), metadata=metadata)
        assert gone.value.code == "invalid_api_key"


async def test_reads_of_the_log_are_passed_on_for_the_callers_own_organization(gateway):
    async with gateway.channel() as channel:
        log = audit_pb2_grpc.AuditServiceStub(channel)
        claims = (*gateway.metadata, ("metaqore-organization", "org_other"))
        answer = await log.GetCheckpoint(audit_pb2.GetCheckpointRequest(), metadata=claims)
        [row] = await gateway.rows("select id from organizations where name = 'default'")
        assert answer.checkpoint == f"of {row['id']}"
        listed = log.ListRecords(audit_pb2.ListRecordsRequest(start_index=3, limit=4), metadata=gateway.metadata)
        assert [response.records[0].leaf_index async for response in listed] == [3, 4, 5, 6]
        with pytest.raises(grpc.RpcError) as refused:
            await log.GetWriterProgress(audit_pb2.GetWriterProgressRequest(writer="w"), metadata=gateway.metadata)
        assert error_of_call(refused.value).code == "inside_mesh_only"


async def test_reads_of_the_log_need_their_scope(gateway):
    async with gateway.channel() as channel:
        keys = gateway_pb2_grpc.KeyServiceStub(channel)
        made = await keys.CreateKey(
            pb.CreateKeyRequest(caller="bob", scopes=["tasks:submit"]), metadata=gateway.metadata
        )
        await until(lambda: gateway.knows(made.secret))
        metadata = (("authorization", f"Bearer {made.secret}"),)
        log = audit_pb2_grpc.AuditServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            await log.GetCheckpoint(audit_pb2.GetCheckpointRequest(), metadata=metadata)
        assert error_of_call(refused.value).code == "missing_scope"
        with pytest.raises(grpc.RpcError):
            _ = [one async for one in log.ListRecords(audit_pb2.ListRecordsRequest(), metadata=metadata)]


async def test_a_task_that_outlasts_the_drain_is_cut_off_soon(gateway):
    gateway.provider.waiting.clear()
    running = asyncio.create_task(submit(gateway, asked("wait")))
    async with asyncio.timeout(20):
        await gateway.provider.waiting.wait()
    async with asyncio.timeout(12):  # drain_s is 2
        await gateway.stop()
    await gateway.start()
    with pytest.raises(MetaQoreError):
        await running
