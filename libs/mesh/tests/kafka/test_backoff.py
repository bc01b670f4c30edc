from hypothesis import given
from hypothesis import strategies as st

from metaqore_mesh.kafka.backoff import Backoff


@given(st.integers(1, 100_000))
def test_a_delay_is_never_longer_than_its_cap_nor_shorter_than_half_of_what_is_due(attempt):
    backoff = Backoff(first_s=0.1, most_s=10.0)
    due = 10.0 if attempt > 20 else min(10.0, 0.1 * 2 ** (attempt - 1))
    assert due / 2 <= backoff.delay_s(attempt) <= due
