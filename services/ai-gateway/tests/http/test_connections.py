"""What a connection may not do: smuggle headers in, send them without end, or hold its place for nothing."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.entrypoints import http_protocol

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "my prompt"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
KEY = b"authorization: Bearer key-alice\r\n"
LENGTH = b"content-length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)


async def answer(gateway, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(sent)
        await writer.drain()
        return await asyncio.wait_for(reader.read(2000), 60)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_key_in_a_trailer_is_no_key(gateway):
    assert (await answer(gateway, HEAD + KEY + CHUNKED + b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert (await answer(gateway, HEAD + CHUNKED + KEY + b"\r\n")).startswith(b"HTTP/1.1 401 ")


async def test_a_trailer_lowers_no_label(gateway):
    label = b"x-metaqore-sensitivity: %b\r\n"
    sent = HEAD + KEY + label % b"SENSITIVE" + CHUNKED + label % b"PUBLIC" + b"\r\n"
    assert (await answer(gateway, sent)).startswith(b"HTTP/1.1 200 ")
    assert [record["sensitivity"] for record in await gateway.records() if record["kind"] == "decision"] == [
        "SENSITIVE"
    ]


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked, chunked", b"gzip\r\ntransfer-encoding: chunked"])
async def test_a_body_in_a_coding_that_is_not_undone_is_not_read(gateway, coding):
    sent = HEAD + KEY + CHUNKED.replace(b"chunked", coding, 1) + b"\r\n"
    assert (await answer(gateway, sent)).startswith(b"HTTP/1.1 400 ")
    assert await gateway.records() == []


@pytest.mark.parametrize("first", [True, False])
async def test_two_keys_are_no_key(gateway, first):
    other = b"authorization: Bearer key-intern\r\n"
    sent = HEAD + (KEY + other if first else other + KEY) + LENGTH + BODY
    assert (await answer(gateway, sent)).startswith(b"HTTP/1.1 401 ")


async def cut_off(gateway, begun, piece):
    """Write on and on until the connection is closed."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(begun)
    with pytest.raises(ConnectionError):  # noqa: PT012 - it takes many writes until the connection is closed
        for _ in range(200):
            writer.write(piece * 10)
            await writer.drain()
            await asyncio.sleep(0.001)
    writer.close()


@pytest.mark.parametrize("piece", [b"x-filler: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
async def test_headers_without_end_are_cut_off(gateway, piece):
    await cut_off(gateway, b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-first: ", piece)


@pytest.mark.parametrize("key", [KEY, b""], ids=["known", "unknown"])
@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"0\r\nx-first: ", b"a" * 1000),
        (b"0\r\n", b"x-filler: " + b"a" * 1000 + b"\r\n"),
        (b"1;a=", b"a" * 1000),
    ],
    ids=["a trailer", "trailers", "an extension"],
)
async def test_what_is_no_body_and_never_ends_is_cut_off(gateway, key, begun, piece):
    await cut_off(gateway, HEAD + key + b'transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n' + begun, piece)


async def test_a_body_in_small_chunks_with_short_extensions_is_read(gateway):
    chunks = b"".join(b"1;name=value\r\n%c\r\n" % byte for byte in b" " * 50_000 + BODY)
    sent = HEAD + KEY + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert (await answer(gateway, sent)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"GE", HEAD, HEAD + KEY + LENGTH + BODY[:10]])
async def test_a_request_that_never_ends_is_ended(gateway, sent, monkeypatch):
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.2)
    assert not (await answer(gateway, sent)).startswith(b"HTTP/1.1 200 ")
    assert await gateway.records() == []


async def test_an_answer_may_take_longer_than_its_request(gateway, monkeypatch):
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.2)
    release = asyncio.Event()
    gateway.provider.script.insert(0, release)
    asyncio.get_running_loop().call_later(0.6, release.set)
    assert (await answer(gateway, HEAD + KEY + LENGTH + BODY)).startswith(b"HTTP/1.1 200 ")


LONG = b'{"object":"chat.completion","long":"%b"}' % (b"a" * 8_000_000)
"""More than the kernel keeps for a client that reads nothing."""


def unread(gateway, sent):
    """A client that sends and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", gateway.port))
    client.sendall(sent)
    return client


@pytest.fixture
def lost(monkeypatch):
    """Is set once the server has lost a connection."""
    lost, protocol = asyncio.Event(), http_protocol.BoundedHttpProtocol
    connection_lost = protocol.connection_lost
    monkeypatch.setattr(protocol, "connection_lost", lambda *of: (lost.set(), connection_lost(*of)))
    return lost


@pytest.mark.parametrize(
    "sent", [2 * (HEAD + KEY + LENGTH + BODY), HEAD + b"connection: close\r\n" + KEY + LENGTH + BODY]
)
async def test_who_reads_no_answer_loses_the_connection(gateway, monkeypatch, lost, sent):
    monkeypatch.setattr(http_protocol, "UNREAD_S", 0.2)
    gateway.provider.script[0] = LONG
    with unread(gateway, sent):
        await asyncio.wait_for(lost.wait(), 60)


async def test_who_reads_slowly_reads_to_the_end(gateway, monkeypatch):
    monkeypatch.setattr(http_protocol, "UNREAD_S", 1.0)
    gateway.provider.script[0] = LONG
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(HEAD + b"connection: close\r\n" + KEY + LENGTH + BODY)
    size_bytes = 0
    while data := await reader.read(100_000):
        size_bytes += len(data)
        await asyncio.sleep(0.02)
    writer.close()
    assert size_bytes > len(LONG)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_task_whose_answer_nobody_reads_holds_no_place(gateway, stream):
    gateway.provider.script = [LONG, Usage("stop", 3, 4)]
    body = json.dumps(gateway.body(stream=stream)).encode()
    sent = HEAD + KEY + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with unread(gateway, 2 * sent):
        records = []
        async with asyncio.timeout(60):
            while len(records) < (2 if stream else 4):
                await asyncio.sleep(0.05)
                records = await gateway.records()
        await asyncio.wait_for(gateway.core.admission.idle(), 60)


async def test_who_leaves_with_another_request_behind_has_left(gateway):
    gateway.provider.script.insert(0, asyncio.Event())
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(2 * (HEAD + KEY + LENGTH + BODY))
    await gateway.provider.called.wait()
    writer.close()
    await asyncio.wait_for(gateway.provider.left.wait(), 60)
    assert [record["state"] for record in await gateway.records() if record["kind"] == "outcome"] == ["cancelled"]
