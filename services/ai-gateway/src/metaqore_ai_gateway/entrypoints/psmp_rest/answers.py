"""The headers of answers as the description has them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from metaqore_ai_gateway.entrypoints.slow.refusals import RECEIPTS, Responses

_ETAG: Final[dict[str, Any]] = {
    "ETag": {"description": 'The revision, as `"3"`; for If-Match.', "schema": {"type": "string"}}
}
_TAG_READ: Final[dict[str, Any]] = {
    "ETag": {
        "description": 'The revision and a digest of what is told, as `"3.9f86d081884c7d65"`: for If-None-Match, and '
        "for If-Match, which reads the revision alone.",
        "schema": {"type": "string"},
    }
}
_PROJECT_VERSION: Final[dict[str, Any]] = {
    "X-MetaQore-Project-Version": {
        "description": "The project's version after the command.",
        "schema": {"type": "integer"},
    }
}
_LOCATION: Final[dict[str, Any]] = {"Location": {"description": "Where it is found.", "schema": {"type": "string"}}}
_DONE: Final = {**RECEIPTS, **_PROJECT_VERSION, **_ETAG}

READ_ONE: Final[Responses] = {
    200: {"headers": _TAG_READ},
    304: {"description": "As If-None-Match knows it", "headers": _TAG_READ},
}
"""One thing, as it is read."""

CHANGED: Final[Responses] = {200: {"headers": _DONE}}
"""Something after a command."""


def created(model: type[BaseModel]) -> Responses:
    """Something that was made, or would be."""
    return {
        201: {"description": "Made", "headers": {**_DONE, **_LOCATION}},
        200: {"description": "What a dry run would have made", "model": model, "headers": RECEIPTS},
    }
