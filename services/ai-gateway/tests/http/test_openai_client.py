"""An existing OpenAI client, pointed at the gateway."""

from __future__ import annotations

import json

import openai
import pytest

from metaqore_ai_gateway.adapters.provider_errors import failed, overloaded
from metaqore_ai_gateway.domain.outcome import Usage

MESSAGES = [{"role": "user", "content": "Say hello."}]
WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello!"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def chunk(text):
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    return json.dumps({**WHOLE, "object": "chat.completion.chunk", "choices": choices, "usage": None}).encode()


@pytest.fixture
async def client(gateway):
    gateway.provider.script = [json.dumps(WHOLE).encode(), Usage("stop", 3, 2)]
    base_url = f"http://127.0.0.1:{gateway.port}/v1"
    async with openai.AsyncOpenAI(api_key="key-alice", base_url=base_url, max_retries=0) as made:
        yield made


async def test_a_chat(client):
    answer = await client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert answer.headers["x-metaqore-receipt"]
    completion = answer.parse()
    assert completion.choices[0].message.content == "Hello!"
    assert completion.usage.total_tokens == 5
    assert completion._request_id == answer.headers["x-request-id"]


async def test_a_stream(client, gateway):
    usage = {**WHOLE, "object": "chat.completion.chunk", "choices": []}
    gateway.provider.script = [chunk("Hel"), chunk("lo!"), json.dumps(usage).encode(), Usage("stop", 3, 2)]
    options = {"include_usage": True}
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
    chunks = [each async for each in stream]
    assert "".join(each.choices[0].delta.content for each in chunks[:2]) == "Hello!"
    assert chunks[-1].usage.completion_tokens == 2


async def test_a_stream_that_fails_midway_raises(client, gateway):
    gateway.provider.script = [chunk("Hel"), failed()]
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert (await anext(stream)).choices[0].delta.content == "Hel"
    with pytest.raises(openai.APIError) as raised:
        await anext(stream)
    assert raised.value.code == "provider_failed"


async def test_models(client):
    assert [model.id async for model in client.models.list()] == ["m", "org/other"]
    assert (await client.models.retrieve("m")).owned_by == "local"


async def test_errors_have_the_classes_that_it_knows(client, gateway):
    create = client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as raised:
        await create(model="nobody's", messages=MESSAGES)
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as raised:
        await create(model="m", messages=[])
    assert (raised.value.code, raised.value.param) == ("messages_empty", "messages")
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="nobody's").chat.completions.create(model="m", messages=MESSAGES)
    with pytest.raises(openai.PermissionDeniedError) as raised:
        await client.with_options(api_key="key-intern").chat.completions.create(model="m", messages=MESSAGES)
    assert raised.value.response.headers["x-metaqore-receipt"]
    gateway.provider.script = [overloaded()]
    with pytest.raises(openai.RateLimitError):
        await create(model="m", messages=MESSAGES)


async def test_it_repeats_what_it_may(client, gateway):
    gateway.provider.script = [failed()]
    with pytest.raises(openai.InternalServerError):
        await client.with_options(max_retries=1).chat.completions.create(model="m", messages=MESSAGES)
    assert len(gateway.provider.calls) == 2
