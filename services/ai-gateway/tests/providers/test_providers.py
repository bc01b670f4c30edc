"""What every provider keeps of the port's promises."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from contextlib import aclosing

import pytest
from opentelemetry.sdk.trace import TracerProvider

from metaqore_ai_gateway.adapters.provider_inference import InferenceProvider
from metaqore_ai_gateway.adapters.provider_openai import OpenAIProvider
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.service.ports import ProviderCall
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.ports import free_ports
from metaqore_mesh.telemetry.tracing import provided, span

BODY = {"model": "ours", "messages": [{"role": "user", "content": "my prompt é"}], "unknown": {"passed": ["on", 1]}}


def call(*, stream=False, within_s=10.0, **body):
    deadline = asyncio.get_running_loop().time() + within_s
    return ProviderCall("theirs", stream, deadline, {**BODY, **body}, "00-" + "1" * 32 + "-" + "2" * 16 + "-01")


async def gathered(provider, call_):
    async with aclosing(provider.generate(call_)) as answer:
        return [piece async for piece in answer]


async def failure(provider, call_):
    with pytest.raises(MetaQoreError) as raised:
        await gathered(provider, call_)
    assert "my prompt" not in raised.value.message
    assert all("prompt" not in reason for reason in raised.value.reasons)
    return raised.value


class ProviderContract:
    """Every provider passes these: subclass it and give the `pair` fixture, a provider and its upstream."""

    async def test_a_whole_completion_comes_unchanged_with_its_usage(self, pair, whole):
        pieces = await gathered(pair[0], call())
        assert json.loads(pieces[0]) == whole
        assert pieces[1:] == [Usage("stop", 7, 3)]

    async def test_chunks_come_in_order_and_none_is_lost(self, pair):
        provider, upstream = pair
        upstream.frames = 500
        *chunks, usage = await gathered(provider, call(stream=True))
        assert [json.loads(chunk) for chunk in chunks] == upstream.chunks()
        assert usage == Usage("stop", 7, 3)

    async def test_the_usage_chunk_is_there_for_who_asks(self, pair):
        *chunks, _ = await gathered(pair[0], call(stream=True, stream_options={"include_usage": True}))
        assert json.loads(chunks[-1])["usage"] == {"prompt_tokens": 7, "completion_tokens": 3}

    async def test_what_is_sent_is_the_body(self, pair):
        provider, upstream = pair
        await gathered(provider, call())
        sent = upstream.seen[0][1]
        assert {**sent, "model": "", "stream": None} == {**BODY, "model": "", "stream": None}

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("behaviour", "expected"),
        [
            ("overloaded", ("provider_overloaded", ErrorKind.EXHAUSTED, True)),
            ("refused", ("provider_refused", ErrorKind.INVALID, False)),
            ("failed", ("provider_failed", ErrorKind.UNAVAILABLE, True)),
        ],
    )
    async def test_what_goes_wrong_upstream_has_a_code(self, pair, behaviour, expected, stream):
        provider, upstream = pair
        upstream.behaviour = behaviour
        error = await failure(provider, call(stream=stream))
        assert (error.code, error.kind, error.retryable) == expected

    async def test_a_prompt_that_is_too_long_is_told_as_that(self, pair):
        provider, upstream = pair
        upstream.behaviour = "too long"
        error = await failure(provider, call())
        assert (error.code, error.kind, error.retryable) == ("context_length_exceeded", ErrorKind.INVALID, False)
        assert "is longer than the model's context length" in error.message  # what LiteLLM's client looks for
        assert "Shorten it" in error.message

    @pytest.mark.parametrize("behaviour", ["cut off", "error midway"])
    async def test_a_stream_that_breaks_off_is_an_error(self, pair, behaviour):
        provider, upstream = pair
        upstream.behaviour = behaviour
        pieces = []

        async def consume():
            async for piece in provider.generate(call(stream=True)):
                pieces.append(piece)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(MetaQoreError) as raised:
            await consume()
        assert raised.value.code == "provider_failed"
        assert [json.loads(piece) for piece in pieces] == upstream.chunks()[:2]

    @pytest.mark.parametrize(("behaviour", "stream"), [("hang", False), ("hang", True), ("hang midway", True)])
    async def test_the_deadline_ends_the_call_and_the_upstream_hears_of_it(self, pair, behaviour, stream):
        provider, upstream = pair
        upstream.behaviour = behaviour
        started = time.monotonic()
        async with asyncio.timeout(30):  # without a deadline, it would be for ever
            error = await failure(provider, call(stream=stream, within_s=0.3))
        assert error.kind is ErrorKind.DEADLINE_EXCEEDED
        assert time.monotonic() - started > 0.2
        await asyncio.wait_for(upstream.left.wait(), 30)

    async def test_a_deadline_in_the_past_calls_nobody(self, pair):
        assert (await failure(pair[0], call(within_s=-1))).kind is ErrorKind.DEADLINE_EXCEEDED

    @pytest.mark.parametrize(("behaviour", "stream"), [("hang", False), ("hang midway", True)])
    async def test_cancelling_ends_the_upstream_call(self, pair, behaviour, stream):
        provider, upstream = pair
        upstream.behaviour = behaviour
        running = asyncio.create_task(gathered(provider, call(stream=stream)))
        await asyncio.sleep(0.3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(upstream.left.wait(), 30)

    async def test_closing_ends_the_upstream_call(self, pair):
        provider, upstream = pair
        upstream.behaviour = "hang midway"
        async with aclosing(provider.generate(call(stream=True))) as answer:
            await anext(answer)
        await asyncio.wait_for(upstream.left.wait(), 30)

    async def test_calls_run_side_by_side(self, pair):
        provider, upstream = pair
        answers = await asyncio.gather(*(gathered(provider, call(stream=True)) for _ in range(20)))
        assert all(len(answer) == upstream.frames + 1 for answer in answers)

    async def test_nobody_there(self, nobody):
        error = await failure(nobody, call())
        assert (error.code, error.retryable) == ("provider_unreachable", True)


class TestOpenAIProvider(ProviderContract):
    @pytest.fixture
    def pair(self, http):
        return http

    @pytest.fixture
    def nobody(self):
        return OpenAIProvider("up", f"http://127.0.0.1:{free_ports(1)[0]}/v1")

    async def test_it_says_what_it_must(self, pair):
        provider, upstream = pair
        await gathered(provider, call(stream=True, stream_options={"other": 1}))
        head, body = upstream.seen[0]
        assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
        assert "authorization: Bearer provider-key" in head
        assert "traceparent: 00-1111" in head
        assert (body["model"], body["stream"]) == ("theirs", True)
        assert body["stream_options"] == {"other": 1, "include_usage": True}

    async def test_a_connection_is_used_again(self, pair):
        provider, upstream = pair
        for stream in (False, True, False):
            await gathered(provider, call(stream=stream))
            await asyncio.sleep(0.05)  # the end of the message may come after the last event
        assert upstream.connections == 1

    async def test_not_after_an_answer_that_was_not_read_to_its_end(self, pair):
        provider, upstream = pair
        async with aclosing(provider.generate(call(stream=True))) as answer:
            await anext(answer)
        gc.collect()
        await gathered(provider, call())
        assert upstream.connections == 2

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("behaviour", ["garbage", "failed deep", "not json", "no utf-8", "too deep"])
    async def test_what_is_no_answer_is_an_error(self, pair, behaviour, stream):
        provider, upstream = pair
        upstream.behaviour = behaviour
        assert (await failure(provider, call(stream=stream))).code == "provider_failed"

    @pytest.mark.parametrize("behaviour", ["empty", "no choices", "choices of null"])
    async def test_an_answer_in_which_nobody_answers_is_an_error(self, pair, behaviour):
        provider, upstream = pair
        upstream.behaviour = behaviour
        error = await failure(provider, call())
        assert (error.code, error.reasons, error.retryable) == ("provider_failed", ("answer_without_choices",), True)

    async def test_a_stream_that_ends_behind_its_finish_reason_is_whole(self, pair):
        provider, upstream = pair
        upstream.behaviour = "no done"
        *chunks, usage = await gathered(provider, call(stream=True))
        assert [json.loads(chunk) for chunk in chunks] == upstream.chunks()
        assert usage == Usage("stop", 7, 3)

    async def test_one_that_ends_before_it_is_cut_off(self, pair):
        provider, upstream = pair
        upstream.behaviour = "ends midway"
        assert (await failure(provider, call(stream=True))).reasons == ("stream_cut_off",)

    async def test_the_reason_of_a_refusal_is_a_code(self, pair):
        provider, upstream = pair
        upstream.behaviour = "refused"
        assert (await failure(provider, call())).reasons == ("upstream_status_400", "some_code")

    @pytest.mark.parametrize("behaviour", ["overloaded", "failed"])
    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ("17", 17),
            ("86400", 3600),
            ("0", 0),
            (None, None),
            ("-1", None),
            ("1.5", None),
            ("9" * 400, None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ],
    )
    async def test_how_long_it_asks_to_be_left_alone_is_passed_on(self, pair, behaviour, asked, told):
        provider, upstream = pair
        upstream.behaviour = behaviour
        upstream.error_headers = "" if asked is None else f"Retry-After: {asked}\r\n"
        assert (await failure(provider, call())).retry_after_s == told

    async def test_an_error_whose_body_hangs_leaves_time_for_another_route(self, pair):
        provider, upstream = pair
        upstream.behaviour = "failed, hangs"
        async with asyncio.timeout(10):
            error = await failure(provider, call(within_s=60))
            await upstream.left.wait()
        assert (error.code, error.reasons) == ("provider_failed", ("upstream_status_500",))

    async def test_its_key_shows_nowhere(self, pair):
        assert "provider-key" not in repr(pair[0])


class TestInferenceProvider(ProviderContract):
    @pytest.fixture
    def pair(self, inference):
        return inference

    @pytest.fixture
    async def nobody(self):
        async with connect(f"127.0.0.1:{free_ports(1)[0]}") as channel:
            yield InferenceProvider("up", channel)

    async def test_it_says_what_it_must(self, pair):
        provider, upstream = pair
        await gathered(provider, call())
        metadata, _ = upstream.seen[0]
        assert metadata["authorization"] == "Bearer token"
        assert metadata["traceparent"].startswith("00-1111")

    async def test_where_traces_are_on_the_calls_own_span_goes_along(self, pair):
        provider, upstream = pair
        with provided(TracerProvider(shutdown_on_exit=False)), span("door"):
            await gathered(provider, call())
        assert upstream.seen[0][0]["traceparent"].startswith("00-1111")
