import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from typer.testing import CliRunner

from metaqore.gateway.v1 import gateway_pb2
from metaqore.psmp.v1 import (
    artifact_pb2,
    checkpoint_pb2,
    conflict_pb2,
    history_pb2,
    project_pb2,
    refusal_pb2,
    watch_pb2,
    work_pb2,
)
from metaqore_cli.main import app
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.errors import DetailedError, grpc_code, grpc_trailing_metadata

SERVICES = [
    service
    for module in (
        gateway_pb2, artifact_pb2, checkpoint_pb2, conflict_pb2, history_pb2, project_pb2, watch_pb2, work_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]  # fmt: skip


class FakeMesh:
    """Answers each call with what the test gives it under the call's name, and keeps what it was asked.

    An answer is a message, a list of them for a stream, an error, or what makes one of these of the request.
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.gone = threading.Event()

    def requests(self, name):
        return [request for called, request in self.asked if called == name]

    def request(self, name):
        [found] = self.requests(name)
        return found

    def answer(self, method, request, context):
        whole = list(request) if method.client_streaming else request
        self.asked.append((method.name, whole))
        answer = self.answers.get(method.name)
        if answer is None:
            answer = MetaQoreError("not_there", f"There is no answer to {method.name}.", kind=ErrorKind.NOT_FOUND)
        if callable(answer):
            answer = answer(whole)
        if isinstance(answer, MetaQoreError):
            context.send_initial_metadata((("metaqore-receipt", "signed-receipt"),))
            context.set_trailing_metadata(grpc_trailing_metadata(answer))
            context.abort(grpc_code(answer), answer.message)
        return answer

    def handler(self, method):
        unary = getattr(grpc, f"{_many(method.client_streaming)}_{_many(method.server_streaming)}_rpc_method_handler")
        return unary(
            lambda request, context: self.answer(method, request, context),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def _many(streaming):
    return "stream" if streaming else "unary"


@pytest.fixture
def mesh(monkeypatch):
    """A gateway that says what the test gives it; `metaqore` talks to it."""
    fake = FakeMesh()
    server = grpc.server(ThreadPoolExecutor(4))
    for service in SERVICES:
        handlers = {method.name: fake.handler(method) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("METAQORE_GATEWAY_ENDPOINT", f"127.0.0.1:{port}")
    monkeypatch.setenv("METAQORE_API_KEY", "mq_test")
    monkeypatch.delenv("METAQORE_PROJECT", raising=False)
    yield fake
    server.stop(None).wait()


@pytest.fixture
def metaqore(mesh):  # noqa: ARG001 - there it finds its mesh
    """Runs the command line; what it printed and how it ended."""

    def run(*words, stdin=None):
        done = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        error = done.exception if isinstance(done.exception, MetaQoreError) else None
        assert error or done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr, error=error)

    return run


@pytest.fixture
def refused():
    """A refusal as the gateway gives it."""

    def refused(code, message="No.", kind=ErrorKind.PRECONDITION, **refusal):
        return DetailedError(MetaQoreError(code, message, kind=kind), refusal_pb2.Refusal(receipt_id="r-1", **refusal))

    return refused
