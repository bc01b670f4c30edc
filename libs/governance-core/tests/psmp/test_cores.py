from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.psmp.conflicts.cores import smallest_clash

SETS = st.lists(st.frozensets(st.integers(0, 5)), min_size=1, max_size=12)


def empty(sets):
    return bool(sets) and not frozenset.intersection(*sets)


@given(SETS)
def test_it_clashes_and_nothing_can_be_left_out(sets):
    if not empty(sets):
        return
    core = smallest_clash(sets, empty)
    assert empty(core)
    for at in range(len(core)):
        assert not empty(core[:at] + core[at + 1 :])


def test_the_newest_stays_in_and_few_questions_are_asked():
    asked = []

    def clash(parts):
        asked.append(parts)
        return bool({3, 700, 999} & set(parts)) and 1000 in parts

    assert smallest_clash(range(1001), clash) == [999, 1000]
    assert len(asked) < 50


def test_where_more_can_mend_it_the_result_still_clashes():
    def clash(parts):
        return "a" in parts and "b" in parts and ("c" not in parts or "d" in parts)

    assert clash(smallest_clash(["a", "b", "c", "d"], clash))
