"""What a chat completion request must be."""

from __future__ import annotations

import json

import pytest

from metaqore_ai_gateway.domain.chat import SEPARATOR, Envelope, InvalidChatError, parse_chat
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door

ENVELOPE = Envelope(id="t", door=Door.REST, deadline_s=30)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def parse(**changes):
    return parse_chat(json.dumps({**CHAT, **changes}).encode(), ENVELOPE)


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"model": None}, "model_missing", "model"),
        ({"model": ""}, "model_missing", "model"),
        ({"model": 7}, "model_missing", "model"),
        ({"messages": None}, "messages_empty", "messages"),
        ({"messages": []}, "messages_empty", "messages"),
        ({"messages": {}}, "messages_empty", "messages"),
        ({"messages": ["hi"]}, "invalid_type", "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "invalid_type", "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "invalid_type", "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "invalid_type", "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "invalid_type", "messages[0].content"),
        ({"messages": [{"role": "tool", "content": None}]}, "invalid_type", "messages[0].content"),
        ({"messages": [*CHAT["messages"], {"role": 1}]}, "invalid_type", "messages[1].role"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"stream": 1}, "invalid_type", "stream"),
        ({"max_tokens": "many"}, "invalid_type", "max_tokens"),
        ({"max_tokens": True}, "invalid_type", "max_tokens"),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"stream_options": []}, "invalid_type", "stream_options"),
        ({"max_tokens": 0}, "option_out_of_range", "max_tokens"),
        ({"max_completion_tokens": -1}, "option_out_of_range", "max_completion_tokens"),
        ({"n": 0}, "option_out_of_range", "n"),
        ({"temperature": -0.1}, "option_out_of_range", "temperature"),
        ({"temperature": 2.1}, "option_out_of_range", "temperature"),
        ({"top_p": 1.5}, "option_out_of_range", "top_p"),
        ({"frequency_penalty": -3}, "option_out_of_range", "frequency_penalty"),
        ({"presence_penalty": 2.5}, "option_out_of_range", "presence_penalty"),
        ({"tools": {}}, "invalid_type", "tools"),
    ],
)
def test_what_is_refused_names_the_field(changes, code, param):
    with pytest.raises(InvalidChatError) as refused:
        parse(**changes)
    assert (refused.value.code, refused.value.param, refused.value.kind) == (code, param, ErrorKind.INVALID)


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": None, "max_tokens": None},
        {"temperature": 0, "top_p": 0.5},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"a_field_of_next_year": {"deep": [1, 2, {"er": "x"}]}},
    ],
)
def test_what_is_taken_is_forwarded_whole(changes):
    assert parse(**changes).body == {**CHAT, **changes}


def test_texts_stand_apart_from_each_other():
    task = parse(tools=[{"name": "4111", "description": "1111"}])
    assert "4111" + SEPARATOR + "description" + SEPARATOR + "1111" in task.text


def test_a_prompt_never_shows_in_repr():
    assert "hello" not in repr(parse())


@pytest.mark.parametrize("project", ["", "a b", "x" * 65, "naïve", "a/b", "a\n"])
def test_a_project_has_a_plain_name(project):
    with pytest.raises(InvalidChatError) as refused:
        Envelope(id="t", door=Door.REST, deadline_s=1, project=project)
    assert refused.value.code == "project_invalid"
    assert "its id" in refused.value.message


@pytest.mark.parametrize("deadline_s", [0, -1, float("nan"), float("inf")])
def test_a_deadline_is_ahead(deadline_s):
    with pytest.raises(MetaQoreError) as refused:
        Envelope(id="t", door=Door.REST, deadline_s=deadline_s)
    assert refused.value.kind is ErrorKind.DEADLINE_EXCEEDED


def test_text_in_parts_is_scanned_as_the_model_reads_it():
    parts = [{"type": "text", "text": "sk-an"}, {"type": "image_url"}, {"type": "text", "text": "t-x"}]
    texts = parse(messages=[{"role": "user", "content": parts}]).text.split(SEPARATOR)
    assert {"sk-an", "t-x", "sk-ant-x"} <= set(texts)


def test_a_separator_within_a_text_parts_nothing():
    texts = parse(messages=[{"role": "user", "content": "sk-an\0t-x"}]).text.split(SEPARATOR)
    assert "sk-ant-x" in texts
