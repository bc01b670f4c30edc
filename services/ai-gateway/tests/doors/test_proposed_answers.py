"""A task that asks for it has the files in its answer proposed, whichever door it came through."""

import asyncio
import json
import secrets

import grpc
import pytest
from looking import until

from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore.gateway.v1 import gateway_pb2_grpc
from metaqore_mesh.errors import error_of_call

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def project_of(client):
    answer = await client.post("/api/v1/projects", json={"name": f"garden {secrets.token_hex(4)}"})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def proposed(client, project):
    """What is proposed in the project, once it is: (its artifact, its content)."""
    async with asyncio.timeout(30):
        while not (found := await artifacts(client, project)):
            await asyncio.sleep(0.05)
    content = await client.get(f"/api/v1/artifacts/{found[0]['id']}/versions/1/content")
    return found[0], content.content


async def artifacts(client, project):
    listed = await client.get("/api/v1/artifacts", params={"project_id": project})
    assert listed.status_code == 200, listed.text
    return next(value for value in listed.json().values() if isinstance(value, list))


def check(found):
    artifact, content = found
    assert (artifact["name"], content) == ("src/a.py", b"x = 1\n")
    assert '"proposed"' in json.dumps(artifact)


@pytest.fixture
async def client(gateway):
    async with gateway.http(headers={"authorization": f"Bearer {gateway.key}"}) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
async def test_over_rest(client, stream):
    project = await project_of(client)
    body = {"model": "stub", "stream": stream, "messages": [{"role": "user", "content": "write a file"}]}
    headers = {"x-metaqore-project": project, "x-metaqore-propose": "true"}
    answer = await client.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    artifact, _ = found = await proposed(client, project)
    check(found)
    assert answer.headers["x-metaqore-task-id"] in json.dumps(artifact)


async def test_over_grpc(gateway, client):
    project = await project_of(client)
    asked = pb.SubmitTaskRequest(
        messages=[pb.Message(role="user", content="write a file")], project=project, propose_files=True
    )
    async with gateway.channel() as channel:
        call = gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(asked, metadata=gateway.metadata, timeout=20)
        assert [response async for response in call][-1].outcome.state == pb.TASK_STATE_DONE
    check(await proposed(client, project))


async def test_over_kafka(gateway, client, submitted):
    project = await project_of(client)
    value = json.dumps({"prompt": "write a file", "project": project, "propose_files": True}).encode()
    await gateway.publish((value, submitted.headers(gateway), None))
    check(await proposed(client, project))


async def test_a_key_that_may_not_write_to_psmp_may_not_ask_for_it(gateway):
    asked = pb.SubmitTaskRequest(messages=[pb.Message(role="user", content="write a file")], propose_files=True)
    async with gateway.channel() as channel:
        keys = gateway_pb2_grpc.KeyServiceStub(channel)
        made = await keys.CreateKey(
            pb.CreateKeyRequest(caller="bob", scopes=["tasks:submit"]), metadata=gateway.metadata
        )
        await until(lambda: gateway.knows(made.secret))
        metadata = (("authorization", f"Bearer {made.secret}"),)
        with pytest.raises(grpc.RpcError) as refused:
            _ = [one async for one in gateway_pb2_grpc.TaskServiceStub(channel).SubmitTask(asked, metadata=metadata)]
    assert error_of_call(refused.value).code == "missing_scope"
