"""Chat completions over HTTP: what a client gets, and what is recorded of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from metaqore_ai_gateway.adapters.provider_errors import failed, overloaded, refused, unreachable
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_governance_core.receipts import parse_token, verify, verify_record

CREDENTIAL = "AKIA" + "IOSFODNN7EXAMPLE"


def events_of(response):
    return [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]


async def test_an_answer_comes_with_a_receipt_that_holds(gateway):
    response = await gateway.chat()
    assert response.status_code == 200
    assert response.content == gateway.provider.script[0]
    assert response.headers["content-type"] == "application/json"
    receipt = parse_token(response.headers["x-metaqore-receipt"])
    verify(receipt, gateway.public_key(receipt.writer))
    decision, outcome = await gateway.records()
    verify_record(receipt, json.dumps(decision, separators=(",", ":"), ensure_ascii=False).encode())
    assert (receipt.id, receipt.task) == (
        response.headers["x-metaqore-receipt-id"],
        response.headers["x-metaqore-task-id"],
    )
    assert (decision["kind"], outcome["kind"], outcome["state"]) == ("decision", "outcome", "done")
    assert (outcome["prompt_tokens"], outcome["completion_tokens"]) == (3, 4)


async def test_a_stream_has_its_receipt_in_the_head_and_ends_with_done(gateway):
    gateway.provider.script = [b'{"n":1}', b'{"n":\n2}', Usage("stop", 1, 2)]
    response = await gateway.chat({"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert parse_token(response.headers["x-metaqore-receipt"])
    assert events_of(response) == ['{"n":1}', '{"n":\ndata: 2}', "[DONE]"]
    assert (await gateway.records())[1]["state"] == "done"


async def test_chunks_leave_as_they_come(gateway):
    more = asyncio.Event()
    gateway.provider.script = [b'{"n":1}', more, b'{"n":2}', Usage()]
    headers = {"authorization": "Bearer key-alice"}
    async with gateway.client.stream(
        "POST", "/v1/chat/completions", json=gateway.body(stream=True), headers=headers
    ) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == 'data: {"n":1}'
        more.set()
        assert [line async for line in lines if line] == ['data: {"n":2}', "data: [DONE]"]


async def test_the_request_id_is_the_callers_own_or_the_tasks(gateway):
    assert (await gateway.chat(x_request_id="abc-1")).headers["x-request-id"] == "abc-1"
    response = await gateway.chat(x_request_id="a b")
    assert response.headers["x-request-id"] == response.headers["x-metaqore-task-id"]


async def test_an_x_api_key_is_as_good(gateway):
    assert (await gateway.chat(key="", authorization=None, x_api_key="key-alice")).status_code == 200


async def test_what_is_sent_on_is_the_body_with_its_unknown_fields(gateway):
    await gateway.chat({"of_next_year": {"a": [1, None, "é"]}})
    assert gateway.provider.calls[0].body == gateway.body(of_next_year={"a": [1, None, "é"]})


class TestDenials:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_credential_is_denied_with_a_receipt(self, gateway, stream):
        messages = [{"role": "user", "content": f"my key is {CREDENTIAL}"}]
        response = await gateway.chat({"messages": messages, "stream": stream})
        assert response.status_code == 403
        error = response.json()["error"]
        assert (error["code"], error["type"]) == ("credential_in_prompt", "permission_error")
        assert error["reasons"] == ["credential_in_prompt"]
        assert parse_token(response.headers["x-metaqore-receipt"])
        assert gateway.provider.calls == []
        decision, outcome = await gateway.records()
        assert decision["findings"] == {"credential.aws_access_key": 1}
        assert (decision["verdict"], outcome["state"], outcome["error"]) == ("deny", "denied", "credential_in_prompt")

    @pytest.mark.parametrize(
        "hidden",
        [
            {"messages": [{"role": "user", "content": [{"type": "text", "text": CREDENTIAL}]}]},
            {"tools": [{"type": "function", "function": {"name": "f", "description": CREDENTIAL}}]},
            {"of_next_year": {"deep": [{CREDENTIAL: 1}]}},
            {"user": CREDENTIAL},
        ],
    )
    async def test_it_is_found_wherever_it_stands(self, gateway, hidden):
        assert (await gateway.chat(hidden)).status_code == 403

    async def test_escapes_hide_nothing(self, gateway):
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in CREDENTIAL)
        content = f'{{"model":"m","messages":[{{"role":"user","content":"{escaped}"}}]}}'.encode()
        assert (await gateway.chat(content=content)).status_code == 403

    async def test_an_allowpath_that_forbids(self, gateway):
        response = await gateway.chat(key="key-intern")
        assert (response.status_code, response.json()["error"]["code"]) == (403, "allowpath_forbidden")

    async def test_the_sensitivity_is_raised_and_never_lowered(self, gateway):
        messages = [{"role": "user", "content": "write to ada@example.com"}]
        await gateway.chat({"messages": messages}, x_metaqore_sensitivity="public")
        await gateway.chat(x_metaqore_sensitivity="CRITICAL")
        decisions = [record for record in await gateway.records() if record["kind"] == "decision"]
        assert [decision["sensitivity"] for decision in decisions] == ["SENSITIVE", "CRITICAL"]
        assert decisions[0]["sensitivity_sources"] == ["caller:PUBLIC", "scanner:email"]


class TestProvidersThatFail:
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("error", "status"),
        [(unreachable(), 502), (failed(), 502), (overloaded(), 429), (refused("upstream_status_400"), 400)],
    )
    async def test_before_the_first_chunk_it_is_a_status(self, gateway, error, status, stream):
        gateway.provider.script = [error]
        response = await gateway.chat({"stream": stream})
        assert (response.status_code, response.json()["error"]["code"]) == (status, error.code)
        assert parse_token(response.headers["x-metaqore-receipt"])
        assert (await gateway.records())[1]["error"] == error.code

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(("asked_s", "told"), [(17, "17"), (0, "1"), (None, "1")])
    async def test_the_client_is_told_how_long_the_provider_wants_to_be_left_alone(
        self, gateway, asked_s, told, stream
    ):
        gateway.provider.script = [overloaded(asked_s)]
        response = await gateway.chat({"stream": stream})
        assert (response.status_code, response.headers["retry-after"]) == (429, told)

    async def test_after_it_the_stream_ends_with_an_error_and_without_done(self, gateway):
        gateway.provider.script = [b'{"n":1}', failed("connection_broken")]
        events = events_of(await gateway.chat({"stream": True}))
        assert events[0] == '{"n":1}'
        assert json.loads(events[1])["error"]["code"] == "provider_failed"
        assert len(events) == 2
        assert (await gateway.records())[1]["state"] == "failed"

    async def test_a_fault_of_ours_tells_nothing(self, gateway):
        gateway.provider.script = [RuntimeError("my prompt")]
        response = await gateway.chat()
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
        assert "prompt" not in response.text
        assert [record.get("state") for record in await gateway.records()] == [None, "failed"]


class TestDisk:
    async def test_no_answer_without_a_durable_decision(self, gateway):
        gateway.disk.fails = True
        response = await gateway.chat()
        assert (response.status_code, response.json()["error"]["code"]) == (503, "spool_failed")
        assert int(response.headers["retry-after"]) >= 1
        assert "x-metaqore-receipt" not in response.headers
        assert gateway.provider.calls == []
        assert (await gateway.chat()).status_code == 503
        assert gateway.core.spool.liveness()

    @pytest.mark.parametrize("stream", [False, True])
    async def test_no_complete_answer_without_a_durable_outcome(self, gateway, stream):
        more = asyncio.Event()
        gateway.provider.script = [more, b'{"n":1}', Usage()]
        asking = asyncio.create_task(gateway.chat({"stream": stream}))
        await gateway.provider.called.wait()
        gateway.disk.fails = True
        more.set()
        response = await asking
        if stream:
            events = events_of(response)
            assert json.loads(events[-1])["error"]["code"] == "spool_failed"
            assert "[DONE]" not in events
        else:
            assert (response.status_code, response.json()["error"]["code"]) == (503, "spool_failed")

    async def test_the_answer_waits_for_the_sync(self, gateway):
        go = asyncio.Event()
        loop = asyncio.get_running_loop()
        sync = gateway.disk.sync
        gateway.disk.sync = lambda descriptor: (
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(),
            sync(descriptor),
        )
        asking = asyncio.create_task(gateway.chat())
        await asyncio.sleep(0.2)
        assert not asking.done()
        assert gateway.provider.calls == []
        go.set()
        assert (await asking).status_code == 200


class TestClientsThatLeave:
    async def leave_midway(self, gateway, stream):
        body = json.dumps(gateway.body(stream=stream)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key-alice\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        await gateway.provider.called.wait()
        if stream:
            await reader.readuntil(b'{"n":1}')
        writer.close()

    @pytest.mark.parametrize("stream", [False, True])
    async def test_the_provider_hears_of_it_and_the_task_is_cancelled(self, gateway, stream):
        gateway.provider.script = [*([b'{"n":1}'] if stream else []), asyncio.Event()]
        await self.leave_midway(gateway, stream)
        await asyncio.wait_for(gateway.provider.left.wait(), 30)
        assert (await gateway.records())[1]["state"] == "cancelled"
        assert gateway.core.admission.running == 0

    async def test_a_body_that_never_ends_is_no_task(self, gateway):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key-alice\r\n")
        writer.write(b"content-length: 100\r\n\r\n{")
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)
        assert await gateway.records() == []
        assert (await gateway.chat()).status_code == 200


class TestRestart:
    async def test_what_was_open_is_interrupted(self, start):
        async with start() as gateway:
            gateway.provider.script = [asyncio.Event()]
            asking = asyncio.create_task(gateway.chat())
            await gateway.provider.called.wait()
            # As after a kill: nothing more is written, the outcome of the cancelled task neither.
            gateway.core.spool.refuse("killed")
            asking.cancel()
        async with start() as gateway:
            decision, outcome = await gateway.records()
            assert (outcome["state"], outcome["error"]) == ("interrupted", "interrupted")
            assert outcome["task"] == decision["task"]
            assert (await gateway.chat()).status_code == 200

    async def test_a_draining_gateway_turns_away_and_finishes_what_it_has(self, gateway):
        more = asyncio.Event()
        gateway.provider.script = [more, b"{}", Usage()]
        asking = asyncio.create_task(gateway.chat())
        await gateway.provider.called.wait()
        gateway.core.admission.close()
        turned_away = await gateway.chat()
        assert (turned_away.status_code, turned_away.json()["error"]["code"]) == (503, "draining")
        assert turned_away.headers["retry-after"]
        more.set()
        assert (await asking).status_code == 200

    async def test_a_full_gateway_turns_away(self, start):
        async with start(running_tasks=1) as gateway:
            more = asyncio.Event()
            gateway.provider.script = [more, b"{}", Usage()]
            asking = asyncio.create_task(gateway.chat())
            await gateway.provider.called.wait()
            turned_away = await gateway.chat()
            assert (turned_away.status_code, turned_away.json()["error"]["code"]) == (429, "overloaded")
            more.set()
            assert (await asking).status_code == 200
