"""The HTTP port: the hot plane under /v1, and before everything else the slow plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_ai_gateway.domain.rulebook import Rulebook, model_not_found
from metaqore_ai_gateway.entrypoints.http_answer import JSON, AsgiAnswer, answer_error, encode_json
from metaqore_ai_gateway.entrypoints.http_chat import ChatCompletions
from metaqore_ai_gateway.entrypoints.http_request import Headers, Receive, Scope, Send, headers_of, text_of
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_mesh.telemetry.tracing import SpanKind, enabled, span

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_CHAT: Final = "/v1/chat/completions"
_MODELS: Final = "/v1/models"


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """The ASGI application. No framework and no middleware on the hot plane: a request is a few calls."""

    chat: ChatCompletions
    keys: Keys
    rulebook: Rulebook
    slow: AsgiApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not f"{path}/".startswith("/v1/"):
            await self.slow(scope, receive, send)
        elif path == _CHAT and scope["method"] == "POST":
            headers = headers_of(scope)
            if enabled():
                with span(f"POST {_CHAT}", kind=SpanKind.SERVER, parent=_carrier(headers)):
                    await self.chat(headers, receive, AsgiAnswer(send, scope))
            else:
                await self.chat(headers, receive, AsgiAnswer(send, scope))
        else:
            await self._other(scope["method"], path, headers_of(scope), AsgiAnswer(send, scope))

    async def _other(self, method: str, path: str, headers: Headers, answer: AsgiAnswer) -> None:
        try:
            body = self._models(method, path, headers)
        except MetaQoreError as error:
            count_refused(Door.REST, error)
            allow = (
                [(b"allow", b"POST" if path == _CHAT else b"GET, HEAD")] if error.code == "method_not_allowed" else []
            )
            await answer_error(answer, error, allow)
        else:
            await answer.whole(200, [JSON], encode_json(body), keep=False)

    def _models(self, method: str, path: str, headers: Headers) -> dict[str, Any]:
        """The body of `GET /v1/models` or of one below it, which a HEAD is not sent. Raises for any other request."""
        if path not in {_CHAT, _MODELS} and not path.startswith(f"{_MODELS}/"):
            message = "There is nothing here. Use /v1/chat/completions or /v1/models."
            raise MetaQoreError("path_not_found", message, kind=ErrorKind.NOT_FOUND)
        if method not in {"GET", "HEAD"} or path == _CHAT:
            wanted = "POST" if path == _CHAT else "GET"
            raise MetaQoreError("method_not_allowed", f"Use {wanted} here.")
        caller = authenticate(self.keys, text_of(headers, b"authorization"), text_of(headers, b"x-api-key"))
        mine = self.rulebook.models_for(caller)
        if path == _MODELS:
            return {"object": "list", "data": [self._model(name) for name in mine]}
        name = path.removeprefix(f"{_MODELS}/")
        if name not in mine:
            raise model_not_found(mine)
        return self._model(name)

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": self.rulebook.models[name][0].provider}


def _carrier(headers: Headers) -> dict[str, str]:
    names = ("traceparent", "tracestate")
    return {name: value for name in names if (value := text_of(headers, name.encode())) is not None}
