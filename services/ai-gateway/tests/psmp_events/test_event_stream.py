"""Events over real WebSockets: who may watch, from where, what it is sent, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from metaqore_ai_gateway.entrypoints import http_protocol, http_server, http_websocket
from metaqore_ai_gateway.entrypoints.http import HttpDoor
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.entrypoints.psmp_rest.stream import with_event_stream
from metaqore_ai_gateway.entrypoints.psmp_rest.websocket import EventStream
from metaqore_ai_gateway.entrypoints.slow.problem import answer_errors
from metaqore_ai_gateway.service.psmp import watch_hub
from metaqore_governance_core.contracts.psmp import ProjectChanged
from metaqore_governance_core.identity import Caller

BEARER = {"authorization": "Bearer key-ann"}


class Keys:
    def __init__(self):
        self.known = {
            "key-ann": Caller("key_1", "acme", "ann", frozenset({"psmp:read"})),
            "key-eve": Caller("key_2", "evil", "eve", frozenset({"psmp:read"})),
            "key-blind": Caller("key_3", "acme", "bob", frozenset({"tasks:read"})),
        }

    def find(self, secret):
        return self.known.get(secret)


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
async def serve(mesh, keys):
    async with contextlib.AsyncExitStack() as stack:

        async def start(check_s=15.0, **options):
            app = FastAPI(openapi_url="/openapi.json")
            app.state.keys = keys
            with_event_stream(app, EventStream(mesh.watching, keys, check_s))
            answer_errors(app)
            door = HttpDoor(None, keys, None, app)
            port = await stack.enter_async_context(serve_http(door, "127.0.0.1", 0, **options))
            return f"ws://127.0.0.1:{port}/api/v1/events/stream"

        yield start


def watch(url, query="", headers=BEARER, **options):
    return connect(url + query, additional_headers=headers, proxy=None, **options)


async def events(socket, count):
    async with asyncio.timeout(10):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def watched(mesh):
    async with asyncio.timeout(10):
        while not mesh.hub.is_watched:
            await asyncio.sleep(0.01)


async def unwatched(mesh):
    async with asyncio.timeout(10):
        while mesh.hub.is_watched:
            await asyncio.sleep(0.01)


async def closing(socket):
    with pytest.raises(ConnectionClosed) as closed:
        await events(socket, 1_000_000)
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_events_come_as_they_happen_and_can_be_gone_on_behind(serve, mesh, relayed):
    url = await serve()
    async with watch(url, "?after=garden@1") as socket:
        (past,) = await events(socket, 1)
        mesh.commit(relayed("garden", 3), relayed("field", 2))
        now = await events(socket, 2)
    assert [one["event_id"] for one in (past, *now)] == ["garden@2", "garden@3", "field@2"]
    changed = ProjectChanged.model_validate(now[0])
    assert (changed.name, changed.by, changed.data["why"]) == ("artifact.Rejected", "bob", "no")
    await unwatched(mesh)


async def test_filters_are_in_the_query(serve, mesh, relayed):
    url = await serve()
    query = "?project_id=garden&project_id=field&aggregate=artifact&name=artifact.Rejected&after=garden@2"
    async with watch(url, query) as socket:
        await watched(mesh)
        mesh.commit(relayed("garden", 3), relayed("field", 2))
        assert [one["project"] for one in await events(socket, 2)] == ["garden", "field"]
    async with watch(url, "?project_id=field&after=garden@1") as socket:
        await watched(mesh)
        mesh.commit(relayed("garden", 4), relayed("field", 3))
        assert [one["event_id"] for one in await events(socket, 1)] == ["field@3"]


async def test_a_browser_brings_its_key_in_a_protocol_which_is_not_repeated(serve):
    url = await serve()
    async with watch(url, headers={}, subprotocols=["metaqore.events.v1", "metaqore.bearer.key-ann"]) as socket:
        assert socket.subprotocol == "metaqore.events.v1"
        assert "key-ann" not in str(socket.response.headers)
    async with watch(url, headers={}, subprotocols=["metaqore.bearer.key-ann"]) as socket:
        assert socket.subprotocol is None


@pytest.mark.parametrize(
    ("query", "options", "told"),
    [
        ("", {"headers": {}}, (401, "missing_api_key")),
        ("", {"headers": {"authorization": "Bearer wrong"}}, (401, "invalid_api_key")),
        ("?access_token=key-ann", {"headers": {}}, (401, "missing_api_key")),
        ("", {"headers": {}, "subprotocols": ["metaqore.bearer.wrong"]}, (401, "invalid_api_key")),
        (
            "",
            {"headers": {}, "subprotocols": ["metaqore.bearer.key-ann", "metaqore.bearer.key-eve"]},
            (401, "missing_api_key"),
        ),
        ("", {"headers": {"authorization": "Bearer key-blind"}}, (403, "missing_scope")),
        ("?after=garden@1", {"headers": {"authorization": "Bearer key-eve"}}, (404, "event_unknown")),
        ("?project_id=garden", {"headers": {"authorization": "Bearer key-eve"}}, (404, "project_not_found")),
        ("?after=garden@9", {}, (404, "event_unknown")),
        (f"?after=garden@{'9' * 5000}", {}, (404, "event_unknown")),
        ("?after=garden@1&after=garden@2", {}, (400, "event_repeated")),
        ("?name=artifact.Praised", {}, (400, "event_name_unknown")),
        ("?project=garden", {}, (400, "invalid_request")),
        ("?project_id=", {}, (400, "invalid_request")),
        ("?aggregate=planet", {}, (400, "invalid_request")),
        ("?aggregate=task&aggregate=task", {}, (400, "invalid_request")),
        ("?" + "&".join(f"project_id=p{at}" for at in range(201)), {}, (400, "filter_too_large")),
        ("?" + "a=&" * 1001, {}, (400, "invalid_request")),
    ],
)
async def test_who_may_not_is_told_so_before_anything_is_open(serve, mesh, query, options, told):
    url, (status, code) = await serve(), told
    with pytest.raises(InvalidStatus) as refused:
        async with watch(url, query, **options):
            pass
    answer = refused.value.response
    problem = json.loads(answer.body)
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "key-ann" not in answer.body.decode()
    assert not mesh.hub.is_watched


async def test_who_does_not_keep_up_is_told_to_begin_again(serve, mesh, relayed, monkeypatch):
    monkeypatch.setattr(watch_hub, "MOST_WAITING", 3)
    url = await serve()
    async with watch(url) as socket:
        await watched(mesh)
        mesh.commit(*(relayed("garden", version) for version in range(3, 9)))
        assert await closing(socket) == (1013, "watcher_slow")
    await unwatched(mesh)


@pytest.mark.parametrize("busy", [True, False])
async def test_a_key_that_is_revoked_watches_no_more(serve, mesh, relayed, keys, busy):
    url = await serve(check_s=0.1)
    async with watch(url) as socket:
        await watched(mesh)
        del keys.known["key-ann"]
        if busy:
            await asyncio.sleep(0.2)
            mesh.commit(relayed("garden", 3))
        assert await closing(socket) == (1008, "invalid_api_key")
    await unwatched(mesh)


@pytest.mark.parametrize(
    ("said", "end"),
    [("hello", (1008, "unexpected_message")), (b"x" * 5000, (1009, None)), ("x" * 5000, (1009, None))],
)
async def test_who_talks_is_not_listened_to(serve, mesh, said, end):
    url = await serve()
    async with watch(url) as socket:
        await watched(mesh)
        await socket.send(said)
        code, reason = await closing(socket)
        assert (code, end[1] and reason) == end
    await unwatched(mesh)


async def test_who_answers_no_ping_loses_the_connection(serve, mesh, monkeypatch):
    monkeypatch.setattr(http_server, "PING_S", 1.0)
    url = await serve()
    async with watch(url) as socket:
        await asyncio.sleep(2.5)
        assert mesh.hub.is_watched
        await socket.ping()
    reader, writer = await raw(url)
    told = await asyncio.wait_for(reader.readuntil(b"keepalive ping timeout"), 60)
    assert b"\x89\x04" in told
    writer.close()
    await unwatched(mesh)


async def test_who_reads_nothing_loses_the_connection(serve, mesh, relayed, monkeypatch):
    monkeypatch.setattr(http_websocket, "UNREAD_S", 0.3)
    url = await serve()
    reader, writer = await raw(url)
    await watched(mesh)
    large = "n" * 4_000_000
    rejected = type(relayed("garden", 3).past().happened.event)
    for version in range(3, 6):
        mesh.commit(relayed("garden", version, event=rejected("bob", 5, 1, large)))
    await unwatched(mesh)
    writer.transport.abort()
    del reader


async def raw(url, behind=b"", head=b"", key=b"key-ann"):
    """A connection that has asked, and reads nothing by itself."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"GET /api/v1/events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key + b"\r\n"
        b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + head + b"\r\n" + behind
    )
    return reader, writer


async def test_what_comes_behind_the_handshake_is_not_lost(serve, mesh):
    url = await serve()
    masked_hi = b"\x81\x82\x00\x00\x00\x00hi"
    reader, writer = await raw(url, masked_hi)
    told = await asyncio.wait_for(reader.readuntil(b"unexpected_message"), 60)
    assert told.startswith(b"HTTP/1.1 101 ")
    writer.close()
    await unwatched(mesh)


@pytest.mark.parametrize("key", [b"key-ann", b"wrong"])
@pytest.mark.parametrize(
    "behind",
    [b"\x89\x81\0\0\0\0p", b"\x88\x80\0\0\0\0", b"\xff" * 50, b"\x81\xfe\x27\x10" + bytes(10_004)],
    ids=["a ping", "a close frame", "no frame", "a frame that is too large"],
)
async def test_a_handshake_is_answered_before_what_comes_behind_it(serve, mesh, caplog, key, behind):
    reader, writer = await raw(await serve(), behind, key=key)
    told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert told.startswith(b"HTTP/1.1 101 " if key == b"key-ann" else b"HTTP/1.1 401 ")
    writer.close()
    await unwatched(mesh)
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


@pytest.mark.parametrize(
    "said",
    [b"\x01\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 1000, b"\x81\x81\0\0\0\0\xff"],
    ids=["fragments without end", "no UTF-8"],
)
async def test_who_talks_is_not_waited_for_and_is_no_fault_of_ours(serve, mesh, caplog, said):
    reader, writer = await raw(await serve(), said)
    await asyncio.wait_for(reader.readuntil(b"unexpected_message"), 60)
    writer.close()
    await unwatched(mesh)
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"".join(b"x-%d: y\r\n" % at for at in range(500)), b"431"),
        (b"x: %b\r\n" % (b"y" * 20_000), b"431"),
        (b"x: caf\xc3\xa9\x07\r\n", b"400"),
        (b"sec-websocket-key: other\r\n", b"400"),
    ],
)
async def test_a_handshake_that_cannot_be_read_is_refused(serve, head, status):
    url = await serve()
    reader, writer = await raw(url, head=head)
    assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 %b " % status)
    writer.close()


async def test_behind_a_request_that_is_not_answered_yet_it_is_plain_http(serve):
    url = await serve()
    port = int(url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    get = b"GET /api/v1/events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key-ann\r\n"
    ask = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n"
    writer.write(get + b"\r\n" + get + ask + b"\r\n" + get + b"connection: close\r\n\r\n")
    told = await asyncio.wait_for(reader.read(), 60)
    assert told.count(b"HTTP/1.1 426 ") == 3
    writer.close()


async def test_websockets_count_as_connections(serve, mesh):
    url = await serve(connections=2)
    async with watch(url), watch(url):
        with pytest.raises(InvalidStatus) as refused:
            async with watch(url):
                pass
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body)["error"]["code"] == "too_many_connections"
    await unwatched(mesh)
    async with watch(url):
        pass


async def test_an_idle_watcher_is_no_request_that_never_ends(serve, mesh, relayed, monkeypatch):
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.2)
    url = await serve()
    async with watch(url) as socket:
        await asyncio.sleep(0.6)
        mesh.commit(relayed("garden", 3))
        assert len(await events(socket, 1)) == 1


async def test_a_gateway_that_stops_says_so(mesh, keys):
    door = HttpDoor(None, keys, None, FastAPI())
    with_event_stream(door.slow, EventStream(mesh.watching, keys))
    async with serve_http(door, "127.0.0.1", 0) as port:
        socket = await watch(f"ws://127.0.0.1:{port}/api/v1/events/stream")
        await watched(mesh)
    assert await closing(socket) == (1012, "")
    await unwatched(mesh)


async def test_elsewhere_there_is_no_websocket(serve):
    url = await serve()
    for path in ("/api/v1/projects", "/v1/models", "/"):
        with pytest.raises(InvalidStatus) as refused:
            async with watch(url.replace("/api/v1/events/stream", path)):
                pass
        answer = refused.value.response
        assert (answer.status_code, json.loads(answer.body)["code"]) == (404, "path_not_found")


async def test_plain_http_is_told_how_to_ask_and_what_it_is_is_described(serve):
    url = (await serve()).replace("ws://", "http://")
    async with httpx.AsyncClient() as client:
        answer = await client.get(url, headers=BEARER)
        described = (await client.get(url.replace("/api/v1/events/stream", "/openapi.json"))).json()
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.json()["code"] == "websocket_required"
    operation = described["paths"]["/api/v1/events/stream"]["get"]
    assert {one["name"] for one in operation["parameters"]} >= {"project_id", "aggregate", "name", "after"}
