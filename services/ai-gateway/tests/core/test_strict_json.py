"""JSON is read strictly: what two parsers could read differently is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.domain.chat import SEPARATOR
from metaqore_ai_gateway.domain.strict_json import MAX_DEPTH, InvalidJsonError, parse_object, text_of


def texts(value):
    return text_of(value, SEPARATOR).split(SEPARATOR)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"", "invalid_json", id="nothing"),
        pytest.param(b'{"a":1', "invalid_json", id="cut off"),
        pytest.param(b'{"a":1} x', "invalid_json", id="something behind"),
        pytest.param(b"[1]", "invalid_json", id="no object"),
        pytest.param(b"'a'", "invalid_json", id="no JSON"),
        pytest.param(b'{"a":1,}', "invalid_json", id="trailing comma"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "invalid_json", id="byte order mark"),
        pytest.param(b'{"a":"\x01"}', "invalid_json", id="bare control character"),
        pytest.param(b'{"a":NaN}', "invalid_json", id="NaN"),
        pytest.param(b'{"a":-Infinity}', "invalid_json", id="Infinity"),
        pytest.param(b'{"a":1e999}', "number_out_of_range", id="a number that becomes Infinity"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "number_out_of_range", id="a number of 5000 digits"),
        pytest.param(b'{"a":1,"a":2}', "duplicate_key", id="the same key twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', "duplicate_key", id="the same key, once escaped"),
        pytest.param(b'{"x":[{"y":{"a":1,"a":1}}]}', "duplicate_key", id="the same key twice, deep inside"),
        pytest.param(b'{"a":"\xff"}', "invalid_utf8", id="invalid UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "invalid_utf8", id="a surrogate in UTF-8"),
        pytest.param(b'{"a":"\xc0\xaf"}', "invalid_utf8", id="overlong UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', "invalid_unicode", id="half of a surrogate pair, escaped"),
        pytest.param(b'{"a":"\\udc00\\ud800"}', "invalid_unicode", id="a surrogate pair the wrong way round"),
        pytest.param(b'{"a":"\\uD83D x"}', "invalid_unicode", id="half of a surrogate pair and more text"),
        pytest.param(b'{"a":"\\u12"}', "invalid_json", id="half of an escape"),
        pytest.param(nested(100_000), "nested_too_deep", id="nested a hundred thousand times"),
    ],
)
def test_what_is_refused(raw, code):
    with pytest.raises(InvalidJsonError) as refused:
        text_of(parse_object(raw), SEPARATOR)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param({"a": "\ud800"}, "invalid_unicode", id="half of a surrogate pair"),
        pytest.param({"\udfff": 1}, "invalid_unicode", id="the other half, in a key"),
        pytest.param({"a": 2**64}, "number_out_of_range", id="beyond 64 bits"),
        pytest.param({"a": -(2**63) - 1}, "number_out_of_range", id="beyond 64 bits below zero"),
        pytest.param(json.loads(nested(MAX_DEPTH + 1)), "nested_too_deep", id="one level too deep"),
    ],
)
def test_what_cannot_be_sent_on_is_refused(value, code):
    with pytest.raises(InvalidJsonError) as refused:
        text_of(value, "|")
    assert refused.value.code == code


def test_a_duplicate_key_is_not_repeated_in_the_message():
    with pytest.raises(InvalidJsonError) as refused:
        parse_object(b'{"my secret":1,"my secret":2}')
    assert "secret" not in refused.value.message


def test_every_text_is_found():
    value = parse_object(
        rb'{"model":"m","messages":[{"role":"user","content":[{"text":"\u0041b"}]}],"x":{"k1":["v1",{"k2":null}]},'
        rb'"card":4111111111111111,"f":4111111111111111.0,"n":-378282246310005,"small":12345,"t":true}'
    )
    found = set(texts(value))
    assert {
        "model",
        "m",
        "content",
        "text",
        "Ab",
        "x",
        "k1",
        "v1",
        "k2",
        "4111111111111111",
        "378282246310005",
    } <= found
    assert "12345" not in found
    assert "True" not in found


def test_the_deepest_nesting_that_is_taken():
    assert texts(parse_object(nested(MAX_DEPTH)))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4))
def test_what_json_can_say_is_read_and_every_string_is_found(value):
    read = parse_object(json.dumps(value).encode())
    assert read == value
    found = texts(read)
    for text in strings(value):
        assert text.replace(SEPARATOR, "") in found
