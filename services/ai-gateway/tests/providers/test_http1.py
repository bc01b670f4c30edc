"""Answers of a server that keeps to no rules: none reaches another exchange, and none takes what memory there is."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from looking import until

from metaqore_ai_gateway.adapters.http1_connection import ExchangeError, ExchangeTimeoutError
from metaqore_ai_gateway.adapters.http1_pool import MAX_IDLE_S, Http1Pool

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


@asynccontextmanager
async def server(*answers):
    """A pool for a server whose every request is answered by the next of `answers`, in one piece."""
    left = list(answers)

    async def serve(reader, writer):
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(left.pop(0))
                await writer.drain()
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Http1Pool(urlsplit(f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"))
    try:
        yield pool
    finally:
        pool.close()
        serving.close()
        await asyncio.sleep(0.01)


async def exchanged(pool, within_s=2):
    """Status and body of an exchange, and whether its connection had another before."""
    connection = pool.idle() or await pool.connect(30)
    try:
        connection.send(b"GET / HTTP/1.1\r\nhost: there\r\n\r\n", connection.now() + within_s)
        return await connection.head(), await connection.read_all(1000), connection.reused
    finally:
        pool.give_back(connection)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "unasked",
    [
        b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nEVIL",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nEVIL",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-evil: ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"EVIL",
    ],
)
async def test_what_comes_behind_an_answer_belongs_to_none(unasked):
    async with server(HEAD + b"AA" + unasked, HEAD + b"BB") as pool:
        assert await exchanged(pool) == (200, b"AA", False)
        assert await exchanged(pool) == (200, b"BB", False)


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"])
async def test_an_interim_answer_is_passed_over(interim):
    async with server(interim + HEAD + b"AA") as pool:
        assert await exchanged(pool) == (200, b"AA", False)


async def test_another_protocol_is_not_taken_up(caplog):
    switch = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    async with server(switch + HEAD + b"AA") as pool:
        with pytest.raises(ExchangeError, match=r"not HTTP/1\.1"):
            await exchanged(pool)
    assert not caplog.records


@pytest.mark.parametrize("piece", [b"x-more: and more\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_without_an_end_is_given_up(piece):
    flood = piece * (1_000_000 // len(piece))
    async with server((b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"x") else b"") + flood) as pool:
        with pytest.raises(ExchangeError, match="too large"):
            await exchanged(pool)


@pytest.mark.parametrize("begun", [b"0\r\nx-first: ", b"0\r\n", b"2;a="], ids=["a trailer", "trailers", "an extension"])
async def test_what_is_no_body_and_never_ends_is_given_up(begun):
    endless = b"a" * 2000 + (b": a\r\n" if begun == b"0\r\n" else b"")
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nAA\r\n" + begun + endless * 1000
    async with server(answer) as pool:
        with pytest.raises(ExchangeError, match="too large"):
            await exchanged(pool)


async def test_a_trailer_is_no_header():
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with server(head + b"2\r\nAA\r\n0\r\nx-late: 1\r\n\r\n") as pool:
        connection = pool.idle() or await pool.connect(30)
        connection.send(b"GET / HTTP/1.1\r\nhost: there\r\n\r\n", asyncio.get_running_loop().time() + 2)
        assert await connection.head() == 200
        assert await connection.read_all(1000) == b"AA"
        assert b"x-late" not in connection.headers
        connection.abort()


async def test_what_a_burst_opened_is_used_again_and_closed_once_nobody_needs_it():
    async with server(*[HEAD + b"AA"] * 50) as pool:
        await asyncio.gather(*(exchanged(pool) for _ in range(20)))
        again = await asyncio.gather(*(exchanged(pool) for _ in range(20)))
        assert [reused for _, _, reused in again] == [True] * 20
        *others, _ = pool._idle
        for connection in others:
            connection.idle_since -= MAX_IDLE_S
        assert (await exchanged(pool))[2]
        assert len(pool._idle) == 1


async def test_each_exchange_ends_at_its_own_deadline():
    async with server(HEAD + b"AA", HEAD + b"AA", HEAD + b"A") as pool:
        assert await exchanged(pool, within_s=1)
        await asyncio.sleep(1.1)
        assert (await exchanged(pool, within_s=300))[2], "the first one's deadline passed over an idle connection"
        with pytest.raises(ExchangeTimeoutError):
            await exchanged(pool, within_s=0.05)
        assert pool.idle() is None


async def test_an_exchange_outlasts_the_deadline_of_the_one_before_it():
    async with server(HEAD + b"AA", HEAD + b"A") as pool:
        await exchanged(pool, within_s=1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(ExchangeTimeoutError):
            await exchanged(pool, within_s=1.3)
        assert asyncio.get_running_loop().time() - began > 1.25


class Text:
    """What a caller has in hand."""


@pytest.mark.parametrize("answer", [HEAD + b"A", b"EVIL\r\n\r\n"])
async def test_an_exchange_that_failed_leaves_nothing_of_its_caller_to_the_collector(answer):
    async with server(answer) as pool:
        text = Text()
        left = weakref.ref(text)
        gc.disable()
        try:
            connection = await pool.connect(30)
            connection.send(b"GET / HTTP/1.1\r\nhost: there\r\n\r\n", connection.now() + 0.05)
            await failing(connection, text)
            del text
            assert left() is None
        finally:
            pool.give_back(connection)
            gc.enable()


async def failing(connection, text):  # noqa: ARG001 - held by the frame alone
    with suppress(ExchangeError):
        await connection.head()
        await connection.read_all(1000)


@pytest.mark.parametrize(
    "answer",
    [b"no HTTP\r\n\r\n", HEAD + b"AAbehind", HEAD + b"A", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, b""],
    ids=["no HTTP", "too much", "too little", "too large a head", "nothing"],
)
async def test_a_connection_that_is_closed_leaves_nothing_to_the_collector(answer):
    async with server(answer) as pool:
        gc.disable()
        try:
            connection = await pool.connect(30)
            connection.send(b"GET / HTTP/1.1\r\nhost: there\r\n\r\n", connection.now() + 0.2)
            with suppress(ExchangeError):
                await connection.head()
                await connection.read_all(1000)
            pool.give_back(connection)
            pool.close()
            known = weakref.ref(connection)
            del connection
            await until(lambda: known() is None)
        finally:
            gc.enable()
