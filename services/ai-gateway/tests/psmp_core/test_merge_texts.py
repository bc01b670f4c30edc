"""Three texts made into one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
