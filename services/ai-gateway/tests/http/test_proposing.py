"""`X-MetaQore-Propose`: the files of a chat's answer become proposals."""

import json
from types import SimpleNamespace

import httpx
import pytest
from nothing_here import nothing_here

from metaqore_ai_gateway.bootstrap import http_door
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.service.propose_answers import ProposeAnswers
from metaqore_ai_gateway.service.psmp.answer_proposals import AnswerProposals
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.settings import GatewayGroup
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller

TEXT = "```python src/a.py\nx = 1\n```\n"
WHOLE = json.dumps({"object": "chat.completion", "choices": [{"message": {"content": TEXT}}]}).encode()
CHUNKS = [
    json.dumps({"choices": [{"index": 0, "delta": {"content": part}}]}).encode()
    for part in TEXT.splitlines(keepends=True)
]


class Gate:
    def __init__(self):
        self.given = []

    async def __call__(self, given):
        self.given.append(given)
        return Answer("r", "t", "garden", 1)


@pytest.fixture
async def proposing(gateway):
    """The gateway's core behind a door that proposes, with its gate: (client's POST, gate, proposals)."""
    gate = Gate()
    proposals = AnswerProposals(gate, lambda _: None)
    govern = ProposeAnswers(gateway.core.govern, gateway.core.govern.digests, proposals)
    keys = gateway_keys()
    door = http_door(gateway.core, govern, GatewayGroup(rest_port=0), keys, gateway.idempotency, nothing_here)
    async with (
        serve_http(door, "127.0.0.1", 0, connections=9) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client,
    ):

        async def post(key="key-alice", body=None, **headers):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = await client.post(
                "/v1/chat/completions",
                json=gateway.body(**(body or {})),
                headers={"authorization": f"Bearer {key}", **sent},
            )
            await proposals.drain(5)
            return answer

        yield post, gate


def gateway_keys():
    callers = {
        "key-alice": Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES)),
        "key-chatter": Caller("key_2", "org_1", "chatter", frozenset({"tasks:submit"})),
    }
    return SimpleNamespace(find=callers.get)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_files_of_an_answer_are_proposed(gateway, proposing, stream):
    post, gate = proposing
    gateway.provider.script = [*(CHUNKS if stream else [WHOLE]), Usage("stop", 3, 4)]
    answer = await post(body={"stream": stream}, x_metaqore_propose="true", x_metaqore_project="garden")
    assert answer.status_code == 200
    if not stream:
        assert answer.content == WHOLE
    [given] = gate.given
    created = given.command.proposals[0].created
    assert (given.caller.name, given.project, given.door) == ("alice", "garden", "rest")
    assert (created.artifact_name, created.content_text) == ("src/a.py", "x = 1\n")
    decision = next(one for one in await gateway.records() if one["kind"] == "decision")
    assert created.provenance.prompt_digest == decision["prompt"]["digest"]
    assert created.provenance.task == decision["task"]


@pytest.mark.parametrize("headers", [{}, {"x_metaqore_propose": "false"}])
async def test_nothing_is_proposed_unasked(gateway, proposing, headers):
    post, gate = proposing
    gateway.provider.script = [WHOLE, Usage("stop", 3, 4)]
    assert (await post(**headers)).status_code == 200
    assert gate.given == []


async def test_a_word_that_is_neither_is_refused(proposing):
    post, gate = proposing
    answer = await post(x_metaqore_propose="yes")
    assert (answer.status_code, answer.json()["error"]["code"], gate.given) == (400, "propose_invalid", [])


async def test_who_may_not_write_to_psmp_may_not_ask_for_it(proposing):
    post, gate = proposing
    answer = await post(key="key-chatter", x_metaqore_propose="true")
    assert (answer.status_code, answer.json()["error"]["code"], gate.given) == (403, "missing_scope", [])
    assert (await post(key="key-chatter")).status_code == 200
