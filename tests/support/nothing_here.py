"""A slow plane where nothing is: the door of a test that is about the hot one."""

from metaqore_ai_gateway.entrypoints.http_answer import AsgiAnswer, answer_error
from metaqore_governance_core.errors import ErrorKind, MetaQoreError


async def nothing_here(scope, receive, send):
    del receive
    if scope["type"] == "http":
        error = MetaQoreError("path_not_found", "There is nothing here.", kind=ErrorKind.NOT_FOUND)
        await answer_error(AsgiAnswer(send, scope), error, [])
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})
