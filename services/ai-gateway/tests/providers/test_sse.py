"""Server-sent events, cut anywhere."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.adapters.sse import MAX_EVENT_BYTES, EventReader, EventTooLargeError


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="two events"),
        pytest.param(b"data:a\n\n", [b"a"], id="no space"),
        pytest.param(b"data:  a\n\n", [b" a"], id="one space is not data"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="two lines"),
        pytest.param(b": ping\n\ndata: a\n\n", [b"a"], id="comment"),
        pytest.param(b"event: x\nid: 1\ndata: a\nretry: 5\n\n", [b"a"], id="other fields"),
        pytest.param(b"event: ping\n\ndata: a\n\n", [b"a"], id="event without data"),
        pytest.param(b"data:\n\ndata: \n\ndata: a\n\n", [b"a"], id="event with empty data"),
        pytest.param(b"\n\n\ndata: a\n\n\n\n", [b"a"], id="empty lines"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CR LF"),
        pytest.param(b"data: a\r\rdata: b\r\r\n", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\n\ndata: b", [b"a"], id="an event that is not whole"),
        pytest.param("data: é日\n\n".encode(), ["é日".encode()], id="beyond ASCII"),
    ],
)
def test_whole_and_byte_by_byte_give_the_same(stream, events):
    assert EventReader().feed(stream) == events
    reader = EventReader()
    assert [event for byte in stream for event in reader.feed(bytes([byte]))] == events


@given(st.lists(st.text('ab {}:"', min_size=1).map(str.strip).filter(bool), max_size=8), st.data())
def test_however_it_is_cut_nothing_is_lost(texts, data):
    stream = b"".join(b"data: %b\n\n" % text.encode() for text in texts)
    reader, found = EventReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == [text.encode() for text in texts]


def test_an_event_without_end_is_refused():
    reader = EventReader()
    assert reader.feed(b"x" * MAX_EVENT_BYTES) == []
    with pytest.raises(EventTooLargeError):
        reader.feed(b"x")


def test_a_large_event_that_comes_in_drops_holds_nobody_up():
    reader = EventReader()
    reader.feed(b"data: " + b"x" * (MAX_EVENT_BYTES - 30_000))
    began = time.process_time()
    for _ in range(20_000):
        assert reader.feed(b"x") == []
    assert time.process_time() - began < 1  # 20 ms; where all is looked through again with each drop, 12 s
    assert len(reader.feed(b"\n\n")[0]) == MAX_EVENT_BYTES - 10_000
