"""A request that offers to go on in another protocol is answered in this one, whole, and so is what comes behind it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from metaqore_ai_gateway.entrypoints.http_server import serve_http

BODY = b'{"model":"m"}'
OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n"
LENGTH = b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = b"transfer-encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\nx-trailer: no\r\n\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)
POST = b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n"


async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    names = [name.decode() for name, _ in scope["headers"]]
    told = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "names": names,
        "body": body.decode(),
    }
    said = json.dumps(told).encode()
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@asynccontextmanager
async def connected():
    async with serve_http(echo, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def one_answer(reader):
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length"))
        status = int(head.split(" ", 2)[1])
        return status, json.loads(await reader.readexactly(int(length)))


def is_whole(answered, body=BODY):
    status, told = answered
    assert status == 200
    assert (told["method"], told["path"], told["query"]) == ("POST", "/a b", "c=d")
    assert told["body"] == body.decode()
    assert "upgrade" not in told["names"]
    assert "x-trailer" not in told["names"]
    return True


@pytest.mark.parametrize("framed", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_a_body_behind_an_offer_is_read_wherever_it_is_split(framed):
    sent = POST + OFFER + framed
    async with connected() as (reader, writer):
        for at in range(1, len(sent)):
            writer.write(sent[:at])
            await asyncio.sleep(0.001)
            writer.write(sent[at:])
            assert is_whole(await one_answer(reader))


@pytest.mark.parametrize("framed", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_what_is_sent_behind_it_is_answered_in_its_turn(framed):
    sent = POST + OFFER + framed
    async with connected() as (reader, writer):
        for at in range(1, len(sent + GET), 7):
            writer.write((sent + GET + sent)[:at])
            await asyncio.sleep(0.001)
            writer.write((sent + GET + sent)[at:])
            assert is_whole(await one_answer(reader))
            assert (await one_answer(reader))[1]["path"] == "/next"
            assert is_whole(await one_answer(reader))


async def test_many_offers_in_one_piece_are_each_answered():
    async with connected() as (reader, writer):
        writer.write((b"GET /next HTTP/1.1\r\nhost: x\r\n" + OFFER + b"\r\n") * 300)
        for _ in range(300):
            status, told = await one_answer(reader)
            assert (status, told["path"], told["body"]) == (200, "/next", "")


async def test_a_large_body_comes_whole():
    body = b"a" * 3_000_000
    async with connected() as (reader, writer):
        writer.write(POST + OFFER + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert is_whole(await one_answer(reader), body)


async def test_who_waits_to_be_asked_for_the_body_is_asked():
    async with connected() as (reader, writer):
        writer.write(POST + OFFER + b"expect: 100-continue\r\n" + LENGTH.partition(BODY)[0])
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert is_whole(await one_answer(reader))


async def test_who_asks_to_close_is_obeyed():
    async with connected() as (reader, writer):
        writer.write(POST + b"connection: close, Upgrade\r\nupgrade: h2c\r\n" + LENGTH)
        assert is_whole(await one_answer(reader))
        assert await asyncio.wait_for(reader.read(), 60) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n" + OFFER + b"\r\n" + GET,
    ],
)
async def test_a_tunnel_is_refused(sent):
    async with connected() as (reader, writer):
        writer.write(sent)
        told = await asyncio.wait_for(reader.read(), 60)
        assert told.startswith(b"HTTP/1.1 400 ")
        assert told.count(b"connection: close") == 1
