"""A step around every call of a gRPC server, whatever its kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

Context = grpc.aio.ServicerContext[Any, Any]

Around = Callable[[str, Context], AbstractAsyncContextManager[None]]
"""Given the method (`/package.Service/Method`) and the call's context: entered before the handler, left after it."""

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    ServerInterceptor = grpc.aio.ServerInterceptor[Any, Any]
else:  # the stubs are generic where the classes are not
    Handler = grpc.RpcMethodHandler
    ServerInterceptor = grpc.aio.ServerInterceptor

Call = Callable[[Any, Context], Awaitable[Any]]
Read = Callable[[bytes], Any]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

_KINDS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class AroundInterceptor(ServerInterceptor):
    """Runs every call inside `arounds`, the first outermost. One interceptor, for each costs every call a task step.

    Handlers are coroutine functions or asynchronous generators. None is given a message above `most_bytes`.
    """

    def __init__(self, *arounds: Around, most_bytes: int) -> None:
        self._arounds = arounds
        self._most_bytes = most_bytes
        self._made: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler inside `arounds`; None, which answers UNIMPLEMENTED, where there is no such method."""
        handler = await continuation(handler_call_details)
        if not handler:
            return None
        method = handler_call_details.method
        made = self._made.get(method)
        if made is None or made[0] is not handler:
            made = self._made[method] = (handler, _inside(self._arounds, method, handler, self._most_bytes))
        return made[1]


def _inside(arounds: Sequence[Around], method: str, handler: Handler, most_bytes: int) -> Handler:
    kind, make = _KINDS[handler.request_streaming, handler.response_streaming]
    call: Call = getattr(handler, kind)
    read = _reading(method, handler.request_deserializer, most_bytes)
    if not handler.request_streaming:
        # gRPC would read the one request before it calls us, and tell a stranger the name of a Python class.
        call, read = _with_read(read, call), None
    if handler.response_streaming:
        call = _writing(call)
    for around in reversed(arounds):
        call = _entered(around, method, call)
    return make(call, read, handler.response_serializer)


def _reading(method: str, read: Read | None, most_bytes: int) -> Read | None:
    """`read`, with an error of ours where the bytes are no such message, or too many."""
    if read is None:
        return None

    def reading(data: bytes) -> Any:
        if len(data) > most_bytes:
            message = f"The message is larger than {most_bytes} bytes. Send less."
            raise MetaQoreError("body_too_large", message, kind=ErrorKind.TOO_LARGE)
        try:
            return read(data)
        except DecodeError as error:
            name = method.removeprefix("/")
            message = f"This is no request that {name} can read: encode it by the .proto file of that service."
            raise MetaQoreError("request_unreadable", message, kind=ErrorKind.INVALID) from error

    return reading


def _with_read(read: Read | None, answer: Call) -> Call:
    """`answer` to a request that is read when it is called. No coroutine of its own, for each costs every call."""
    return answer if read is None else lambda data, context: answer(read(data), context)


def _entered(around: Around, method: str, answer: Call) -> Call:
    async def call(request: Any, context: Context) -> Any:
        async with around(method, context):
            return await answer(request, context)

    return call


def _writing(answer: Callable[..., Any]) -> Call:
    """A handler that writes itself, so that a client who leaves closes the generator here and now.

    If gRPC were given the generator, a cancelled write would leave it suspended until it is collected as garbage.
    """

    async def call(request: Any, context: Context) -> None:
        answered = answer(request, context)
        if isinstance(answered, AsyncGenerator):
            async with aclosing(answered) as messages:
                await _write(messages, context)
        elif isinstance(answered, AsyncIterable):
            await _write(answered, context)
        else:
            await answered  # the handler writes for itself

    return call


async def _write(messages: AsyncIterable[Any], context: Context) -> None:
    async for message in messages:
        await context.write(message)
