"""A step around every call of a gRPC server, whatever its kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]

Around = Callable[[str, Context], AbstractAsyncContextManager[None]]
"""Given the method (`/package.Service/Method`) and the call's context: entered before the handler, left after it."""

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    ServerInterceptor = grpc.aio.ServerInterceptor[Any, Any]
else:  # the stubs are generic where the classes are not
    Handler = grpc.RpcMethodHandler
    ServerInterceptor = grpc.aio.ServerInterceptor

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]

_KINDS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class AroundInterceptor(ServerInterceptor):
    """Runs every call inside `around`. The first interceptor of a server is the outermost."""

    def __init__(self, around: Around) -> None:
        self._around = around

    async def intercept_service(self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler inside `around`; None, which answers UNIMPLEMENTED, where there is no such method."""
        handler = await continuation(handler_call_details)
        return handler and _inside(self._around, handler_call_details.method, handler)


def _inside(around: Around, method: str, handler: Handler) -> Handler:
    kind, make = _KINDS[handler.request_streaming, handler.response_streaming]
    call = (_streamed if handler.response_streaming else _single)(around, method, getattr(handler, kind))
    return make(call, handler.request_deserializer, handler.response_serializer)


def _single(around: Around, method: str, answer: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def call(request: Any, context: Context) -> Any:
        async with around(method, context):
            return await answer(request, context)

    return call


def _streamed(around: Around, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that writes itself, so that a client who leaves closes the generator here and now.

    If gRPC were given the generator, a cancelled write would leave it suspended until it is collected as garbage.
    """

    async def call(request: Any, context: Context) -> None:
        async with around(method, context):
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
