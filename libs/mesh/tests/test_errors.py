"""One error, told in every protocol's way and back."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.errors import (
    MAX_DETAILS_BYTES,
    STATUS_DETAILS_KEY,
    DetailedError,
    detail_of_call,
    error_of_call,
    grpc_code,
    grpc_message,
    grpc_trailing_metadata,
    http_headers,
    http_status,
    internal_error,
    openai_error,
    problem,
)

DENIED = MetaQoreError(
    "policy_denied", "Ask for a PUBLIC task.", kind=ErrorKind.FORBIDDEN, reasons=("credential_in_prompt", "default")
)
FULL = MetaQoreError("spool_full", "Try again soon.", kind=ErrorKind.UNAVAILABLE, retryable=True)


def called(error: MetaQoreError) -> AioRpcError:
    return AioRpcError(grpc_code(error), Metadata(), Metadata(*grpc_trailing_metadata(error)), error.message, None)


@pytest.mark.parametrize(
    ("kind", "http", "code"),
    [
        (ErrorKind.INVALID, 400, grpc.StatusCode.INVALID_ARGUMENT),
        (ErrorKind.UNAUTHENTICATED, 401, grpc.StatusCode.UNAUTHENTICATED),
        (ErrorKind.FORBIDDEN, 403, grpc.StatusCode.PERMISSION_DENIED),
        (ErrorKind.NOT_FOUND, 404, grpc.StatusCode.NOT_FOUND),
        (ErrorKind.CONFLICT, 409, grpc.StatusCode.ABORTED),
        (ErrorKind.PRECONDITION, 409, grpc.StatusCode.FAILED_PRECONDITION),
        (ErrorKind.TOO_LARGE, 413, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (ErrorKind.UNPROCESSABLE, 422, grpc.StatusCode.FAILED_PRECONDITION),
        (ErrorKind.EXHAUSTED, 429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (ErrorKind.CANCELLED, 499, grpc.StatusCode.CANCELLED),
        (ErrorKind.INTERNAL, 500, grpc.StatusCode.INTERNAL),
        (ErrorKind.UNAVAILABLE, 503, grpc.StatusCode.UNAVAILABLE),
        (ErrorKind.DEADLINE_EXCEEDED, 504, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_every_kind_has_a_status(kind, http, code):
    error = MetaQoreError("x", "X.", kind=kind)
    assert (http_status(error), grpc_code(error)) == (http, code)
    assert problem(error)["status"] == http
    assert openai_error(error)["error"]["type"].endswith("_error")


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_an_error_comes_back_from_grpc_as_it_was(kind):
    sent = MetaQoreError("some_code", "Do this, übermorgen.", kind=kind, retryable=True, reasons=("a", "b"))
    back = error_of_call(called(sent))
    assert (back.code, back.message, back.kind, back.retryable, back.reasons) == (
        sent.code,
        sent.message,
        sent.kind,
        sent.retryable,
        sent.reasons,
    )


def test_the_openai_shape_names_code_and_reasons():
    assert openai_error(DENIED, param="model") == {
        "error": {
            "message": "Ask for a PUBLIC task.",
            "type": "permission_error",
            "param": "model",
            "code": "policy_denied",
            "reasons": ["credential_in_prompt", "default"],
        }
    }


def test_problem_details_have_the_members_of_rfc_9457():
    assert problem(FULL, instance="/api/v1/tasks") == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Try again soon.",
        "code": "spool_full",
        "retryable": True,
        "instance": "/api/v1/tasks",
    }


def test_headers_say_whether_and_when_to_repeat():
    assert http_headers(FULL) == {"x-should-retry": "true", "retry-after": "1"}
    assert http_headers(DENIED) == {"x-should-retry": "false"}
    later = MetaQoreError("busy", "Wait.", kind=ErrorKind.EXHAUSTED, retryable=True, retry_after_s=17)
    assert http_headers(later) == {"x-should-retry": "true", "retry-after": "17"}
    unknown = MetaQoreError("bad_key", "Send a key.", kind=ErrorKind.UNAUTHENTICATED)
    assert http_headers(unknown)["www-authenticate"].startswith("Bearer")


def test_only_a_retryable_error_carries_retry_info():
    def details(error):
        status = status_pb2.Status.FromString(dict(grpc_trailing_metadata(error))[STATUS_DETAILS_KEY])
        return [detail.type_url.rpartition(".")[2] for detail in status.details]

    assert details(FULL) == ["ErrorInfo", "RetryInfo"]
    assert details(DENIED) == ["ErrorInfo"]


@pytest.mark.parametrize(("asked_s", "told_s"), [(17, 17), (0, 1), (None, 1)])
def test_retry_info_says_how_long_to_wait(asked_s, told_s):
    busy = MetaQoreError("busy", "Wait.", kind=ErrorKind.EXHAUSTED, retryable=True, retry_after_s=asked_s)
    for error in (busy, DetailedError(busy)):
        retry = detail_of_call(called(error), error_details_pb2.RetryInfo)
        assert retry.retry_delay.ToSeconds() == told_s


def test_an_error_may_bring_details_of_its_own():
    refused = DetailedError(FULL, error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="https://x")]))
    call = called(refused)
    assert error_of_call(call).code == "spool_full"
    assert detail_of_call(call, error_details_pb2.Help).links[0].url == "https://x"
    assert detail_of_call(call, error_details_pb2.BadRequest) is None
    assert detail_of_call(called(DENIED), error_details_pb2.Help) is None


@pytest.mark.parametrize("letter", ["a", "%", "é", "\U0001f600"])
def test_whatever_is_told_fits_into_the_trailers_that_clients_take(letter):
    error = MetaQoreError("x", letter * 5000, reasons=tuple(letter * 40 for _ in range(900)))
    room = error_details_pb2.Help(links=[error_details_pb2.Help.Link(url="x" * (MAX_DETAILS_BYTES - 20))])
    told = DetailedError(error, room)
    ((_, status),) = grpc_trailing_metadata(told)
    assert len(status) * 4 / 3 + 1000 < 8 * 1024
    assert grpc_message(told).endswith(" ...")
    assert all(reason == letter * 40 for reason in error_of_call(called(told)).reasons)


def test_a_status_of_the_transport_gets_a_sentence_of_ours_not_its_text():
    bare = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), "secret host:1 refused", None)
    error = error_of_call(bare)
    assert (error.code, error.kind, error.retryable) == ("unavailable", ErrorKind.UNAVAILABLE, True)
    assert "secret" not in error.message


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b""], ids=["garbage", "empty"])
def test_details_that_cannot_be_read_are_no_details(details):
    bare = AioRpcError(grpc.StatusCode.INTERNAL, Metadata(), Metadata((STATUS_DETAILS_KEY, details)), "x", None)
    assert error_of_call(bare).code == "internal"


def test_another_domains_reason_is_not_our_code():
    status = status_pb2.Status(code=5, message="x")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="THEIRS", domain="example.com"))
    metadata = Metadata((STATUS_DETAILS_KEY, status.SerializeToString()))
    assert error_of_call(AioRpcError(grpc.StatusCode.NOT_FOUND, Metadata(), metadata, "x", None)).code == "not_found"


def test_a_fault_of_ours_tells_nothing_of_itself():
    assert internal_error().code == "internal"
    assert http_status(internal_error()) == 500
