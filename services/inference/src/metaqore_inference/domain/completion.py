"""Gathers the chunks of a streamed chat completion into the whole one.

Shapes: OpenAI's `chat.completion.chunk` and `chat.completion` objects (API reference, Chat Completions).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a completion took, in tokens, and why it ended (`stop`, `length`, `tool_calls`)."""

    prompt_tokens: int
    completion_tokens: int
    finish_reason: str


def usage_of(chunks: Iterable[Json]) -> Usage:
    """The usage and finish reason that `chunks` report; 0 tokens where none does."""
    prompt = completion = 0
    finish = ""
    for chunk in chunks:
        if usage := chunk.get("usage"):
            prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in chunk.get("choices", ()):
            finish = choice.get("finish_reason") or finish
    return Usage(prompt, completion, finish)


def gather(chunks: list[Json]) -> Json:
    """The `chat.completion` that the streamed `chunks` amount to. `chunks` holds at least one."""
    choices: dict[int, Json] = {}
    for chunk in chunks:
        for piece in chunk.get("choices", ()):
            _add_choice(choices, piece)
    first = chunks[0]
    usage = usage_of(chunks)
    return {
        "id": first.get("id"),
        "object": "chat.completion",
        "created": first.get("created"),
        "model": first.get("model"),
        "system_fingerprint": first.get("system_fingerprint"),
        "choices": [choices[index] for index in sorted(choices)],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        },
    }


def _add_choice(choices: dict[int, Json], piece: Json) -> None:
    index = piece["index"]
    choice = choices.setdefault(
        index, {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}
    )
    _add_delta(choice["message"], piece.get("delta", {}))
    if piece.get("finish_reason"):
        choice["finish_reason"] = piece["finish_reason"]
    if logprobs := piece.get("logprobs"):
        choice.setdefault("logprobs", {"content": []})["content"].extend(logprobs.get("content") or [])


def _add_delta(message: Json, delta: Json) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value:
                _add_tool_call(message.setdefault("tool_calls", []), call)
        elif key != "role" and isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _add_tool_call(calls: list[Json], piece: Json) -> None:
    index = piece.get("index", len(calls))
    while len(calls) <= index:
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[index]
    call["id"] = piece.get("id") or call["id"]
    function = piece.get("function", {})
    for key in ("name", "arguments"):
        call["function"][key] += function.get(key) or ""
