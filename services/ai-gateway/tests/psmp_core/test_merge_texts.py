"""Three texts made into one."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.service.psmp.matching_lines import matching_lines
from metaqore_ai_gateway.service.psmp.merge_texts import merged_text
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=8).map(lambda some: "".join(some).encode())


def test_changes_in_other_places_come_together():
    base = b"one\ntwo\nthree\nfour\nfive\n"
    assert merged_text(base, b"ONE\ntwo\nthree\nfour\nfive\n", b"one\ntwo\nthree\nfour\nFIVE\n") == (
        b"ONE\ntwo\nthree\nfour\nFIVE\n"
    )


@pytest.mark.parametrize(
    ("base", "standing", "incoming"),
    [
        pytest.param(b"a\n", b"b\n", b"c\n", id="the same line"),
        pytest.param(b"", b"b\n", b"c\n", id="two beginnings"),
        pytest.param(b"a\nb\n", b"b\n", b"A\nb\n", id="one removes what the other changes"),
    ],
)
def test_changes_in_the_same_place_are_for_a_person(base, standing, incoming):
    with pytest.raises(PsmpRefusedError) as refused:
        merged_text(base, standing, incoming)
    assert refused.value.code == "merge_impossible"


def test_what_is_no_text_is_not_merged():
    with pytest.raises(PsmpRefusedError) as refused:
        merged_text(b"", b"\xff", b"a")
    assert refused.value.code == "merge_impossible"


@given(lines, lines)
def test_where_one_side_changed_nothing_the_other_is_taken(base, changed):
    assert merged_text(base, base, changed) == changed
    assert merged_text(base, changed, base) == changed
    assert merged_text(base, changed, changed) == changed


@given(lines, lines, lines)
def test_sides_are_alike(base, left, right):
    def attempt(first, second):
        try:
            return merged_text(base, first, second)
        except PsmpRefusedError:
            return None

    assert attempt(left, right) == attempt(right, left)


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1d", "\x85", "\u2028", "\r"], ids=ascii)
def test_only_a_line_feed_ends_a_line(end):
    base, left, right = (f"{one}{end}same{end}{other}\n".encode() for one, other in ["ab", "Ab", "aB"])
    with pytest.raises(PsmpRefusedError):
        merged_text(base, left, right)


@pytest.mark.parametrize("line", ["{}\n", "same\n"])
def test_texts_of_one_line_again_and_again_are_merged_at_once(line):
    base = line.encode() * 20_000
    began = time.process_time()
    assert merged_text(base, b"first\n" + base, base + b"last\n") == b"first\n" + base + b"last\n"
    assert time.process_time() - began < 3


def test_texts_that_have_little_in_common_are_told_apart_at_once():
    chance = random.Random(1)  # noqa: S311 - no secret
    base, left, right = ("".join(chance.choices(["a\n", "b\n", "c\n"], k=6_000)).encode() for _ in range(3))
    began = time.process_time()
    assert merged_text(base, base, right) == right
    with pytest.raises(PsmpRefusedError):
        merged_text(base, left, right)
    assert time.process_time() - began < 5


@given(*[st.lists(st.sampled_from("abcde"), max_size=12)] * 2)
def test_blocks_hold_the_same_lines_in_order(one, other):
    at = place = 0
    for from_, from_other, size in matching_lines(one, other):
        assert from_ >= at
        assert from_other >= place
        assert one[from_ : from_ + size] == other[from_other : from_other + size]
        at, place = from_ + size, from_other + size
