"""A request goes to the address that was checked, once, within bounds, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from metaqore_ai_gateway.adapters import webhook_post
from metaqore_ai_gateway.adapters.webhook_post import WebhookPost
from metaqore_ai_gateway.service.psmp.webhook_ports import Posted

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def answering(*pieces, tls=None):
    """A server that reads a request and sends `pieces`; what it read is in `seen`."""
    seen, serving = [], set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async def answer(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            seen.append(head + await reader.readexactly(length))
            for piece in pieces:
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    writer.write(piece)
                    await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0.01)


def post(*hosts, **options):
    return WebhookPost(hosts, "metaqore-webhooks/1", **options)


async def test_a_request_is_whole_and_closed_behind():
    async with answering(OK) as (port, seen):
        send = post("127.0.0.1")
        assert await send(f"http://127.0.0.1:{port}/a/b?c=d", [("webhook-id", "x")], b"{}") == Posted(200)
    head = seen[0].decode()
    assert head.startswith("POST /a/b?c=d HTTP/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{port}\r\n" in head
    assert "\r\nuser-agent: metaqore-webhooks/1\r\n" in head
    assert "\r\nconnection: close\r\n" in head
    assert "\r\nwebhook-id: x\r\n" in head
    assert head.endswith("\r\n\r\n{}")


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 410, 429, 500])
async def test_a_status_is_told_and_no_redirect_is_followed(status):
    head = f"HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n"
    async with answering(head.encode()) as (port, seen):
        assert await post("127.0.0.1")(f"http://127.0.0.1:{port}/", [], b"{}") == Posted(status, retry_after_s=30.0)
        assert len(seen) == 1


@pytest.mark.parametrize("later", [b"", b"Wed, 21 Oct 2026 07:28:00 GMT", b"-1", b"1" * 30, b"\xb2"])
async def test_a_wait_that_cannot_be_read_is_none(later):
    async with answering(b"HTTP/1.1 503 x\r\nretry-after: %b\r\n\r\n" % later) as (port, _):
        assert await post("127.0.0.1")(f"http://127.0.0.1:{port}/", [], b"{}") == Posted(503)


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        pytest.param([b"garbage\r\n\r\n"], "answer_invalid", id="no HTTP"),
        pytest.param([], "answer_invalid", id="nothing"),
        pytest.param([b"HTTP/1.1 200 OK\r\n"], "answer_invalid", id="half a head"),
        pytest.param([b"HTTP/1.1 200 OK\r\n", *[b"x-a: %b\r\n" % (b"a" * 1000)] * 100], "answer_invalid", id="no end"),
        pytest.param([b"HTTP/1.1 102 Wait\r\n\r\n" * 4000], "answer_invalid", id="interim answers for ever"),
        pytest.param([5.0], "target_timeout", id="silence"),
        pytest.param([*[b"HTTP/1.1 102 Wait\r\n\r\n", 0.05] * 100], "target_timeout", id="no answer in time"),
    ],
)
async def test_what_is_no_answer_is_given_up(pieces, error):
    async with answering(*pieces) as (port, _):
        send = post("127.0.0.1", timeout_s=0.5)
        assert await send(f"http://127.0.0.1:{port}/", [], b"{}") == Posted(error=error)


async def test_a_body_without_end_is_not_read():
    endless = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        *[b"3e8\r\n" + b"a" * 1000 + b"\r\n", 0.01] * 5000,
    ]
    async with answering(*endless) as (port, _), asyncio.timeout(30):
        assert await post("127.0.0.1")(f"http://127.0.0.1:{port}/", [], b"{}") == Posted(200)


async def test_nobody_there_is_told_apart_from_nobody_so_named():
    async with answering(OK) as (port, _):
        pass

    async def unknown(host, _):
        raise socket.gaierror(socket.EAI_NONAME, host)

    assert await post("127.0.0.1")(f"http://127.0.0.1:{port}/", [], b"{}") == Posted(error="target_unreachable")
    posted = await post(resolve=unknown)("https://nowhere.example/", [], b"{}")
    assert posted == Posted(error="target_unresolved")


@pytest.mark.parametrize(
    "url",
    ["https://localhost/", "https://127.0.0.1/", "http://example.com/", "https://169.254.169.254/", "nothing"],
)
async def test_what_may_not_be_sent_to_is_not_resolved(url):
    async def resolve(host, port):
        raise AssertionError(host, port)

    posted = await post(resolve=resolve)(url, [], b"{}")
    assert posted.error in {"webhook_target_forbidden", "webhook_target_invalid"}


@pytest.mark.parametrize("found", [["127.0.0.1"], ["10.0.0.1", "::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], []])
async def test_a_name_that_leads_inside_is_not_connected_to(found, monkeypatch):
    connected = []
    loop = asyncio.get_running_loop()

    async def connect(*where, **_):
        connected.append(where)
        raise OSError

    async def resolve(*_):
        return found

    monkeypatch.setattr(loop, "create_connection", connect)
    assert await post(resolve=resolve)("https://rebind.example/", [], b"{}") == Posted(error="webhook_target_forbidden")
    assert connected == []


async def test_only_what_was_checked_is_connected_to_and_one_after_another(monkeypatch):
    connected = []
    loop = asyncio.get_running_loop()

    async def connect(_, host, port, **named):
        connected.append((host, port, named["server_hostname"]))
        raise OSError

    async def resolve(*_):
        return ["10.0.0.1", "93.184.216.34", "2606:4700::1"]

    monkeypatch.setattr(loop, "create_connection", connect)
    assert await post(resolve=resolve)("https://example.com/", [], b"{}") == Posted(error="target_unreachable")
    assert connected == [("93.184.216.34", 443, "example.com"), ("2606:4700::1", 443, "example.com")]


async def test_a_connection_that_leads_inside_all_the_same_is_cut(monkeypatch):
    """As through a translation on the way, which the name's address does not show."""
    async with answering(OK) as (port, seen):
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def elsewhere(protocol, _host, _port, **_):
            return await connect(protocol, "127.0.0.1", port)

        async def resolve(*_):
            return ["93.184.216.34"]

        monkeypatch.setattr(loop, "create_connection", elsewhere)
        posted = await post(resolve=resolve)("https://example.com/", [], b"{}")
        assert (posted, seen) == (Posted(error="webhook_target_forbidden"), [])


@pytest.fixture
def certificate(tmp_path):
    """A certificate for `hook.test`, signed by itself, and its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hook.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "hook.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


async def test_a_certificate_is_checked_against_the_name_and_not_the_address(certificate):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def resolve(*_):
        return ["127.0.0.1"]

    async with answering(OK, tls=server) as (port, seen):
        url = f"https://hook.test:{port}/"
        assert await post("hook.test", resolve=resolve, tls=trusting)(url, [], b"{}") == Posted(200)
        assert await post("hook.test", resolve=resolve)(url, [], b"{}") == Posted(error="tls_failed")
        other = f"https://other.test:{port}/"
        assert await post("other.test", resolve=resolve, tls=trusting)(other, [], b"{}") == Posted(error="tls_failed")
        assert len(seen) == 1


async def test_a_name_is_resolved_by_the_system():
    assert "127.0.0.1" in await webhook_post.resolve("localhost", 80)


async def test_names_that_nobody_answers_for_hold_up_nothing_but_themselves(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    resolving = [asyncio.create_task(webhook_post.resolve("slow.example", 443)) for _ in range(64)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(sum, (1, 2)) == 3  # as bodies are read, and the database's name is
    finally:
        answered.set()
        await asyncio.gather(*resolving, return_exceptions=True)
