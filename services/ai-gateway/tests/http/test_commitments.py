"""Digests of a record, recomputed from what a client sent and received by the code in docs/commitments.md alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_ai_gateway.domain.outcome import Usage

DOCUMENT = Path(__file__).parents[4] / "docs" / "commitments.md"
WHOLE = b'{"object": "chat.completion",\n "choices": [{"message": {"content": "caf\xc3\xa9"}}]}'
CHUNKS = [
    b'{"object":"chat.completion.chunk","choices":[{"delta":{"content":"caf"}}]}',
    b'{"object":"chat.completion.chunk",\n"choices":[{"delta":{"content":"\xc3\xa9"}}]}',
]


@pytest.fixture(scope="module")
def documented():
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102 - the document's own code is what is tested
    return names


@pytest.fixture
def commitment(gateway, documented):
    key = documented["organization_key"](gateway.run.digest_key, "org_1")
    return lambda data: documented["commitment"](key, data)


def data_of(stream):
    """The data of each event, as server-sent events define it, without the end and without errors."""
    events = [
        b"\n".join(line.removeprefix(b"data: ") for line in event.split(b"\n"))
        for event in stream.split(b"\n\n")
        if event
    ]
    return [data for data in events if data != b"[DONE]" and b'"error"' not in data]


async def records_after(gateway, body):
    sent = json.dumps(gateway.body(**body)).encode()
    received = (await gateway.chat(content=sent)).content
    return sent, received, *await gateway.records()


async def test_a_whole_answer_is_its_bytes(gateway, commitment):
    gateway.provider.script = [WHOLE, Usage("stop", 1, 1)]
    sent, received, decision, outcome = await records_after(gateway, {})
    assert decision["prompt"] == commitment(sent)
    assert outcome["answer"] == commitment(received)
    assert received == WHOLE


async def test_a_streamed_answer_is_the_data_of_its_events(gateway, commitment):
    gateway.provider.script = [*CHUNKS, Usage("stop", 1, 1)]
    sent, received, decision, outcome = await records_after(gateway, {"stream": True})
    assert decision["prompt"] == commitment(sent)
    assert received.endswith(b"data: [DONE]\n\n")
    assert data_of(received) == CHUNKS
    assert outcome["answer"] == commitment(b"".join(data_of(received)))
    assert outcome["answer"]["size_bytes"] == sum(map(len, CHUNKS))


async def test_a_stream_that_breaks_off_is_what_there_was(gateway, commitment):
    gateway.provider.script = [CHUNKS[0], failed()]
    _, received, _, outcome = await records_after(gateway, {"stream": True})
    assert (outcome["state"], data_of(received)) == ("failed", CHUNKS[:1])
    assert outcome["answer"] == commitment(CHUNKS[0])


@pytest.mark.parametrize("stream", [False, True])
async def test_no_answer_is_none(gateway, stream):
    gateway.provider.script = [failed()]
    _, _, _, outcome = await records_after(gateway, {"stream": stream})
    assert outcome["answer"] is None


async def test_another_organizations_key_gives_another_digest(gateway, commitment, documented):
    other = documented["organization_key"](gateway.run.digest_key, "org_2")
    assert documented["commitment"](other, WHOLE)["digest"] != commitment(WHOLE)["digest"]
    assert documented["commitment"](other, WHOLE)["key_id"] != commitment(WHOLE)["key_id"]
