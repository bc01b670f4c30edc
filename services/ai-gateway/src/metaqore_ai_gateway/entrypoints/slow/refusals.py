"""The refusals of the slow plane as its description has them."""

from __future__ import annotations

from typing import Any, Final

from metaqore_ai_gateway.entrypoints.slow.problem import PROBLEM

_TEXTS: Final = {
    400: "Not understood: something is unknown, missing or not of the right form",
    401: "No good API key",
    403: "Not permitted: by policy, by the key's scopes, or to this caller",
    404: "Not there, or another organization's",
    409: "The state forbids it, or `expected_version` is stale",
    412: "`If-Match` is stale",
    413: "Too large",
    415: "Not a media type that is taken here",
    416: "A range behind the end; Content-Range tells the size",
    422: "Well formed, and cannot be done",
    428: "`If-Match` is missing",
    429: "At a limit",
    500: "A fault of ours",
    503: "Not now: nothing was done, try again",
    504: "Not in time",
}
_RECORDED: Final = frozenset({403, 404, 409, 412, 422, 503})

Responses = dict[int | str, dict[str, Any]]

RECEIPTS: Final[dict[str, Any]] = {
    "X-MetaQore-Receipt": {
        "description": "The signed receipt of the command's record, as a token.",
        "schema": {"type": "string"},
    },
    "X-MetaQore-Receipt-Id": {"description": "The receipt's id.", "schema": {"type": "string"}},
}


def refusals(*statuses: int) -> Responses:
    """The responses with these statuses, each as problem details."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {one: {"description": _TEXTS[one], "content": content} for one in statuses}


def _recorded(*statuses: int) -> Responses:
    return {
        one: response | ({"headers": RECEIPTS} if one in _RECORDED else {})
        for one, response in refusals(*statuses).items()
    }


READ: Final = refusals(400, 401, 403, 404, 409, 500, 503)
"""What a reading may be refused with."""

SEND: Final = _recorded(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 504)
"""What a command may be refused with."""

CHANGE: Final = SEND | _recorded(412)
"""What a command to something may be refused with, which may be told what its sender has seen."""

MATCHED: Final = CHANGE | _recorded(428)
"""What a command may be refused with that must be told what its sender has seen."""
