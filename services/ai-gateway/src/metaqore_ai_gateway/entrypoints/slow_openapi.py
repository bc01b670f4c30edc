"""The hot plane in the API's description: it is no part of FastAPI, but of what a client may call."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

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
                                "max_tokens": {"type": "integer"},
                                "temperature": {"type": "number"},
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


def with_hot_plane(app: FastAPI) -> None:
    """Describe the paths under /v1 in the document of `app`, too."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        document = generate()
        document["paths"] = {**_PATHS, **document["paths"]}
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it
