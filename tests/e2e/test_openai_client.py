"""An ordinary OpenAI client, pointed at the gateway."""

import httpx
import openai
import pytest

from metaqore_governance_core.receipts import parse_token

MODEL = "smollm2-135m"
CREDENTIAL = "Use AKIAQ3EGRZYXN5PMK7VW to log in."


def ask(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def client(mesh):
    with openai.OpenAI(base_url=mesh.endpoints["rest"] + "/v1", api_key=mesh.api_key, max_retries=0) as made:
        yield made


def test_a_chat_is_answered_with_usage_and_a_receipt(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ask("Say hello."), max_tokens=8)
    completion = raw.parse()
    assert completion.choices[0].message.content
    usage = completion.usage
    assert 0 < usage.completion_tokens <= 8
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    receipt = parse_token(raw.headers["X-MetaQore-Receipt"])
    assert receipt.id == raw.headers["X-MetaQore-Receipt-Id"]
    assert receipt.task == raw.headers["X-MetaQore-Task-Id"]


def test_a_stream_has_its_receipt_in_the_head_and_ends_in_usage(client):
    options = {"include_usage": True}
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=ask("Count to five."), max_tokens=12, stream=True, stream_options=options
    )
    assert parse_token(raw.headers["X-MetaQore-Receipt"])
    chunks = list(raw.parse())
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text
    assert 0 < chunks[-1].usage.completion_tokens <= 12


def test_without_being_asked_a_stream_has_no_usage_chunk(client):
    chunks = list(client.chat.completions.create(model=MODEL, messages=ask("Hi"), max_tokens=3, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_the_models_are_listed(client):
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"model": "gpt-unknown"}, 404, "model_not_found", id="unknown model"),
        pytest.param({"messages": []}, 400, None, id="empty messages"),
        pytest.param({"max_tokens": "many"}, 400, None, id="wrong type"),
        pytest.param({"messages": ask(CREDENTIAL)}, 403, "credential_in_prompt", id="a credential"),
    ],
)
def test_what_is_refused_comes_in_openais_shape(client, change, status, code):
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{"model": MODEL, "messages": ask("Hi"), "max_tokens": 3, **change})
    assert refused.value.status_code == status
    assert code is None or refused.value.code == code
    assert refused.value.body["message"]
    assert "Traceback" not in refused.value.response.text


def test_a_denial_carries_a_receipt_and_a_bad_request_none(client):
    with pytest.raises(openai.PermissionDeniedError) as denied:
        client.chat.completions.create(model=MODEL, messages=ask(CREDENTIAL))
    assert parse_token(denied.value.response.headers["X-MetaQore-Receipt"])
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-unknown", messages=ask("Hi"))
    assert "X-MetaQore-Receipt" not in unknown.value.response.headers


def test_a_bad_key_is_401(mesh):
    for key in ("mq_wrong", mesh.api_key[:-1] + ("A" if mesh.api_key[-1] != "A" else "B"), "x" * 5000):
        client = openai.OpenAI(base_url=mesh.endpoints["rest"] + "/v1", api_key=key, max_retries=0)
        with client, pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model=MODEL, messages=ask("Hi"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 400, id="malformed JSON"),
        pytest.param(b'{"model": "m", "model": "n", "messages": []}', 400, id="a duplicate key"),
        pytest.param(
            b'{"model": "smollm2-135m", "messages": [{"role": "user", "content": "\xff"}]}', 400, id="no UTF-8"
        ),
        pytest.param(b'{"model": NaN}', 400, id="NaN"),
        pytest.param(b"[" * 100_000, 400, id="nested without end"),
        pytest.param(b" " * (64 << 20), 413, id="a body without end"),
    ],
)
def test_bad_bodies_are_refused_with_a_code(mesh, body, status):
    headers = {"authorization": f"Bearer {mesh.api_key}", "content-type": "application/json"}
    answer = httpx.post(mesh.endpoints["rest"] + "/v1/chat/completions", content=body, headers=headers, timeout=30)
    assert answer.status_code == status
    assert answer.json()["error"]["code"]
    assert "Traceback" not in answer.text


def test_an_idempotency_key_gives_the_first_answer_again(client):
    asked = {"model": MODEL, "messages": ask("Name a colour."), "max_tokens": 6, "temperature": 1.5}
    header = {"Idempotency-Key": "colour-1"}
    first = client.chat.completions.with_raw_response.create(**asked, extra_headers=header)
    again = client.chat.completions.with_raw_response.create(**asked, extra_headers=header)
    assert again.text == first.text
    assert again.headers["X-MetaQore-Receipt"] == first.headers["X-MetaQore-Receipt"]
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(**{**asked, "max_tokens": 7}, extra_headers=header)
