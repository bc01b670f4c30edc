import pytest

from metaqore_governance_core.psmp.durations import until

SECOND = 1_000_000
HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("left_us", "said"),
    [
        (-1, "now"),
        (0, "now"),
        (1, "in 1 s"),
        (3 * SECOND, "in 3 s"),
        (89 * SECOND, "in 89 s"),
        (90 * SECOND, "in 2 min"),
        (300 * SECOND, "in 5 min"),
        (HOUR, "in 60 min"),
        (2 * HOUR, "in 2 h"),
        (2 * HOUR + 1, "in 3 h"),
        (48 * HOUR, "in 2 days"),
    ],
)
def test_what_is_left_is_said_in_one_unit_and_never_less(left_us, said):
    assert until(1000 + left_us, 1000) == said
