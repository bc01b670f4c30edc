"""The methods of a gRPC server, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:  # gRPC's own classes have no parameters
    Handler = grpc.RpcMethodHandler[Any, Any]
    Service = grpc.GenericRpcHandler[Any, Any]
else:
    Service = grpc.GenericRpcHandler


class Methods(Service):
    """Takes what generated code registers with a server, in the server's place, and finds it by its name.

    gRPC is given this one handler. A method that is registered with it by itself has a task of its own in `grpc.aio`,
    and each call waits for all of those anew: 77 in the gateway, some 50 us of CPU a call.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[Service]) -> None:
        """A service, whose methods come by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """The methods of a service, by their names in it."""
        self._handlers.update({f"/{service}/{method}": handler for method, handler in handlers.items()})

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The method that is called, if there is one."""
        return self._handlers.get(handler_call_details.method)
