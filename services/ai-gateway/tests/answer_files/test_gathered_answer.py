"""An answer is gathered the same, whether it comes whole or in chunks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.domain.tool_files import ToolCall
from metaqore_ai_gateway.service import gathered_answer
from metaqore_ai_gateway.service.gathered_answer import GatheredAnswer


def whole(message, **more):
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message, **more}]}).encode()


def chunk(delta, index=0):
    return json.dumps({"object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta}]}).encode()


def gathered(*pieces):
    answer = GatheredAnswer()
    for piece in pieces:
        answer.add(piece)
    return answer


def call(name, arguments, **more):
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


@given(st.lists(st.text(), max_size=8))
def test_a_text_in_pieces_is_the_text(parts):
    pieces = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": part}) for part in parts), chunk({})]
    assert gathered(*pieces).text == gathered(whole({"content": "".join(parts)})).text == "".join(parts)


def test_calls_in_pieces_are_the_calls():
    pieces = [
        chunk({"tool_calls": [call("write_file", "", index=0)]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"path":'}}]}),
        chunk({"tool_calls": [call("save", "", index=1), {"index": 0, "function": {"arguments": '"a"}'}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
    ]
    calls = [ToolCall("write_file", '{"path":"a"}'), ToolCall("save", "{}")]
    assert gathered(*pieces).calls == calls
    message = {"content": None, "tool_calls": [call("write_file", '{"path":"a"}'), call("save", "{}")]}
    assert gathered(whole(message)).calls == calls


def test_only_the_first_choice_is_the_answer():
    assert gathered(chunk({"content": "a"}), chunk({"content": "b"}, index=1)).text == "a"


def test_text_in_parts_is_one_text():
    message = {"content": [{"type": "text", "text": "a"}, {"type": "other"}, {"type": "text", "text": "b"}]}
    assert gathered(whole(message)).text == "ab"


@pytest.mark.parametrize(
    "data", [b"", b"{no", b"[]", b'{"choices":7}', b'{"choices":[]}', b'{"choices":[{}]}', b"\xff"]
)
def test_what_cannot_be_read_adds_nothing(data):
    answer = gathered(whole({"content": "a"}), data)
    assert (answer.text, answer.calls) == ("a", [])


def test_there_is_a_bound(monkeypatch):
    monkeypatch.setattr(gathered_answer, "MAX_TEXT_CHARACTERS", 10)
    answer = gathered(chunk({"content": "x" * 8}), chunk({"content": "y" * 8}), chunk({"content": "z"}))
    assert (answer.too_large, answer.text, answer.calls) == (True, "", [])
