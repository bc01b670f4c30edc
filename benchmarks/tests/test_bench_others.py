import asyncio

import pytest
from bench_others import RequestError, stream_run, unary_run
from http_load import Target
from other_gateways import Gateway, HeadedTarget, StartError, litellm, portkey
from stub_mesh import Served

REFUSES = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("bench_others.SETTLE_S", 0.0)


@pytest.fixture
async def failing():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSES)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Gateway("Broken", "1", Target(server.sockets[0].getsockname()[1]), 1)


async def test_a_failed_request_ends_the_run_and_says_whose_it_was(failing):
    with pytest.raises(RequestError, match=r"Broken failed a request \(4 requests over 2 connections\).*500"):
        await unary_run(failing, (), 2, 4)


async def test_frames_that_do_not_come_end_the_run(failing):
    with pytest.raises(RequestError, match="Broken lost 128 of 128 frames"):
        await stream_run(failing, 2)


def test_headers_stand_between_the_first_line_and_the_rest():
    request = HeadedTarget(1, "key", (("x-a", "1"), ("x-b", "2"))).request(b"{}")
    assert request.replace(b"x-a: 1\r\nx-b: 2\r\n", b"") == Target(1, "key").request(b"{}")
    assert request.split(b"\r\n")[1:3] == [b"x-a: 1", b"x-b: 2"]


@pytest.mark.parametrize(("start", "place"), [(litellm, "LITELLM_BIN"), (portkey, "PORTKEY_PACKAGE")])
def test_a_gateway_that_is_not_installed_says_how(monkeypatch, tmp_path, start, place):
    monkeypatch.setattr(f"other_gateways.{place}", tmp_path)
    with pytest.raises(StartError, match="make bench-others"), start(Served(1, 1)):
        pass
