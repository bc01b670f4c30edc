"""Connections that get no answer from the application: too many of them, no HTTP, or a body that nobody wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager

import pytest

from metaqore_ai_gateway.entrypoints import http_protocol

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "my prompt"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
KEY = b"authorization: Bearer key-alice\r\n"
LENGTH = b"content-length: %d\r\n\r\n" % len(BODY)
MODELS = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + KEY + b"\r\n"


@asynccontextmanager
async def connection(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def response(reader):
    """Status, headers and body of the next response that has a length."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, json.loads(body)


async def refused(gateway, *pieces):
    """The one response to what is sent, after which the connection is closed."""
    async with connection(gateway) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)  # so that each is read by itself
        status, headers, body = await response(reader)
        assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        return status, body["error"]


async def status_of(gateway, sent):
    async with connection(gateway) as (reader, writer):
        writer.write(sent)
        return (await response(reader))[0]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
        b"secret\r\n\r\n",
        HEAD + b"content-length: secret\r\n\r\n",
        HEAD + KEY + b"transfer-encoding: chunked\r\n\r\nsecret\r\n",
    ],
    ids=["TLS", "no request", "no length", "no chunk"],
)
async def test_what_is_no_http_is_told_so_as_openai_tells_errors(gateway, sent):
    status, error = await refused(gateway, sent)
    assert (status, error["code"], error["type"]) == (400, "malformed_http", "invalid_request_error")
    assert "secret" not in str(error)
    assert await gateway.records() == []


async def test_a_length_may_begin_with_any_number_of_zeros(gateway):
    length = b"content-length: %b%d\r\n\r\n" % (b"0" * 4400, len(BODY))
    assert await status_of(gateway, HEAD + KEY + length + BODY) == 200


async def test_headers_that_are_too_large_are_told_so(gateway):
    status, error = await refused(gateway, b"GET /v1/models HTTP/1.1\r\nx-much: ", b"a" * 70_000)
    assert (status, error["code"]) == (431, "headers_too_large")


async def test_a_request_that_does_not_end_is_told_so(gateway, monkeypatch):
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.2)
    status, error = await refused(gateway, HEAD + KEY + LENGTH + BODY[:10])
    assert (status, error["code"]) == (408, "request_too_slow")


async def test_no_http_after_a_request_is_no_answer_to_that_request(gateway):
    release = asyncio.Event()
    gateway.provider.script.insert(0, release)
    async with connection(gateway) as (reader, writer):
        writer.write(HEAD + KEY + LENGTH + BODY)
        await asyncio.wait_for(gateway.provider.called.wait(), 20)
        writer.write(b"\x00\x01\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 20) == b""
    release.set()


async def test_a_body_without_end_is_not_read_on_after_its_refusal(gateway):
    async with connection(gateway) as (reader, writer):
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        assert (await response(reader))[0] == 401
        piece, sent_bytes = b"10000\r\n" + b"a" * 0x10000 + b"\r\n", 0
        with pytest.raises(ConnectionError):  # noqa: PT012 - it takes many writes until the connection is closed
            while sent_bytes < 1 << 30:
                writer.write(piece)
                await writer.drain()
                sent_bytes += len(piece)
        assert sent_bytes < 1 << 28


async def test_a_body_that_does_not_come_is_not_waited_for_after_its_refusal(gateway, monkeypatch):
    monkeypatch.setattr(http_protocol, "LINGER_S", 0.2)
    async with connection(gateway) as (reader, writer):
        writer.write(HEAD + LENGTH + BODY[:5])
        assert (await response(reader))[0] == 401
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_a_connection_goes_on_where_the_rest_of_a_refused_request_is_short(gateway):
    async with connection(gateway) as (reader, writer):
        for _ in range(2):
            writer.write(HEAD + LENGTH + BODY[:5])
            assert (await response(reader))[0] == 401
            writer.write(BODY[5:])
        writer.write(MODELS)
        assert (await response(reader))[0] == 200


async def test_one_connection_too_many_is_told_so(start):
    async with start(rest_connections=2) as gateway:
        async with connection(gateway) as (reader, writer), connection(gateway):
            writer.write(MODELS)
            assert (await response(reader))[0] == 200
            for sent in (MODELS, HEAD + KEY + LENGTH + BODY):
                status, error = await refused(gateway, sent)
                assert (status, error["code"], error["type"]) == (503, "too_many_connections", "server_error")
            writer.write(MODELS)
            assert (await response(reader))[0] == 200
        assert await gateway.records() == []
        async with asyncio.timeout(20):
            while await status_of(gateway, MODELS) != 200:
                await asyncio.sleep(0.05)


async def test_far_too_many_are_closed_without_a_word(start, monkeypatch):
    monkeypatch.setattr(http_protocol, "OVERFLOW", 1)
    async with (
        start(rest_connections=1) as gateway,
        connection(gateway),
        connection(gateway),
        connection(gateway) as (reader, _),
    ):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
