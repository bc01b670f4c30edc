"""The API's description: what FastAPI makes of the slow plane, completed, and the hot plane beside it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from metaqore_ai_gateway.entrypoints.slow.problem import Problem

_SECURITY: Final[list[dict[str, list[str]]]] = [{"HTTPBearer": []}, {"APIKeyHeader": []}]
_JSON: Final = "application/json"
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_ERROR: Final = {
    "description": "An error in OpenAI's shape",
    "content": {
        _JSON: {
            "schema": {
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": "string"},
                            "reasons": {"type": "array", "items": {"type": "string"}},
                        },
                    }
                },
            }
        }
    },
}
_HEADERS: Final = {
    "X-MetaQore-Receipt": "The signed receipt, as a token.",
    "X-MetaQore-Receipt-Id": "The receipt's id.",
    "X-MetaQore-Task-Id": "The task's id.",
}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}


_PATHS: Final[dict[str, Any]] = {
    "/v1/chat/completions": {
        "post": {
            "tags": ["OpenAI"],
            "summary": "A governed chat completion",
            "description": "As OpenAI has it; unknown fields are scanned and passed on to the provider.",
            "security": _SECURITY,
            "parameters": [
                _header("X-MetaQore-Sensitivity", "Raises the sensitivity (PUBLIC to CRITICAL), never lowers it."),
                _header("X-MetaQore-Project", "The project of the task."),
                _header(
                    "X-MetaQore-Deadline",
                    "Seconds from now in which the answer must be complete, such as 30; after them the task has failed "
                    "with deadline_exceeded.",
                ),
                _header(
                    "X-MetaQore-Propose",
                    "true proposes the files in the answer as artifacts of the project, after the task has ended: "
                    "fenced blocks that a path names, and tool calls that write a file. Needs the scope psmp:write.",
                ),
                _header("Idempotency-Key", "A repeat with the same key and body gets the first answer, for 24 hours."),
            ],
            "requestBody": {
                "required": True,
                "content": {
                    _JSON: {
                        "schema": {
                            "type": "object",
                            "required": ["model", "messages"],
                            "properties": {
                                "model": {"type": "string"},
                                "messages": {"type": "array", "minItems": 1, "items": _OBJECT},
                                "stream": {"type": "boolean"},
                                "max_tokens": {"type": "integer", "minimum": 1},
                                "temperature": {"type": "number", "minimum": 0, "maximum": 2},
                            },
                            "additionalProperties": True,
                        }
                    }
                },
            },
            "responses": {
                "200": {
                    "description": "The completion; with `stream`, server-sent events that end in [DONE]",
                    "headers": {
                        name: {"schema": {"type": "string"}, "description": text} for name, text in _HEADERS.items()
                    },
                    "content": {_JSON: {"schema": _OBJECT}, "text/event-stream": {"schema": {"type": "string"}}},
                },
                "4XX": _ERROR,
                "5XX": _ERROR,
            },
        }
    },
    "/v1/models": {
        "get": {
            "tags": ["OpenAI"],
            "summary": "The models that the caller may use",
            "security": _SECURITY,
            "responses": {
                "200": {"description": "A list of models", "content": {_JSON: {"schema": _OBJECT}}},
                "4XX": _ERROR,
            },
        }
    },
}


_TAGS: Final = (
    ("OpenAI", "Governed chat completions."),
    ("projects", "The frame that artifacts and tasks live in, with a mode and a policy."),
    ("tasks", "Units of work that wait for an agent or came through a door. DELETE cancels."),
    ("artifacts", "Names in a project with versions, each in one phase, from draft to archive. DELETE archives."),
    ("contents", "The bodies of versions, as streams."),
    ("governance", "What cannot stand together, and what is stuck."),
    ("checkpoints", "Named points of a project that it can be brought back to."),
    ("history", "The past of a project."),
    ("events", "What happens, as it happens."),
    ("webhooks", "Where events are sent, and what came of it."),
    ("health", "Whether the gateway takes tasks now."),
)
_UNREADABLE: Final = "422"
_MATCHED: Final = "428"


def described(app: FastAPI) -> None:
    """Let the document of `app` say what FastAPI does not know: problem details, and the paths under /v1."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    for path in document["paths"].values():
        for operation in path.values():
            _as_it_answers(operation)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, schema in problem.pop("$defs").items():
        schemas.setdefault(name, schema)
    schemas["Problem"] = problem
    document["tags"] = [{"name": name, "description": text} for name, text in _TAGS]
    document["paths"] = {**_PATHS, **document["paths"]}
    return document


def _as_it_answers(operation: dict[str, Any]) -> None:
    """FastAPI's own 422 is our 400, and If-Match is required where its absence is 428."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get(_UNREADABLE)):
        del responses[_UNREADABLE]
    if _MATCHED in responses:
        for parameter in operation["parameters"]:
            if parameter["name"] == "If-Match":
                parameter["required"] = True
