from metaqore_inference.domain.completion import Usage, gather, usage_of


def chunk(delta, index=0, finish=None, **rest):
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        **rest,
    }


USAGE = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


def test_the_pieces_of_a_text_become_one_message():
    whole = gather([chunk({"role": "assistant", "content": None}), chunk({"content": "Hel"}), chunk({"content": "lo"})])
    assert whole["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": None}
    ]


def test_usage_and_finish_reason_come_from_where_they_stand():
    chunks = [chunk({"content": "a"}), chunk({}, finish="length"), USAGE]
    assert usage_of(chunks) == Usage(3, 2, "length")
    assert gather(chunks)["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_several_choices_stay_apart():
    whole = gather([chunk({"content": "a"}, 1), chunk({"content": "b"}, 0), chunk({"content": "c"}, 1, "stop")])
    assert [(c["index"], c["message"]["content"]) for c in whole["choices"]] == [(0, "b"), (1, "ac")]


def test_the_pieces_of_a_tool_call_are_joined_by_its_index():
    whole = gather(
        [
            chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "add", "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}, finish="tool_calls"),
        ]
    )
    call = {"id": "t", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    assert whole["choices"][0]["message"]["tool_calls"] == [call]
