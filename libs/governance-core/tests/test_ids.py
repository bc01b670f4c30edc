import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.ids import is_uuid7, opaque_id, uuid7

times = st.integers(0, 2**48 - 1)
randoms = st.binary(min_size=10, max_size=10)


def test_the_example_of_rfc_9562_appendix_a_6():
    # rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F
    random = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10)
    assert uuid7(0x017F22E279B0, random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(times, randoms)
def test_every_id_is_a_version_7_uuid_that_carries_its_time(time_ms, random):
    text = uuid7(time_ms, random)
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)
    assert is_uuid7(text)
    assert parsed.int >> 80 == time_ms


@given(times, times, randoms, randoms)
def test_ids_sort_by_time(earlier, later, first, second):
    if earlier < later:
        assert uuid7(earlier, first) < uuid7(later, second)


@given(st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_all_74_random_bits_count(first, second):
    ids = {uuid7(1, value.to_bytes(10)) for value in (first, second)}
    assert len(ids) == len({first, second})


@pytest.mark.parametrize(("time_ms", "random"), [(-1, bytes(10)), (2**48, bytes(10)), (0, bytes(9)), (0, bytes(11))])
def test_what_does_not_fit_is_refused(time_ms, random):
    with pytest.raises(ValueError, match="48-bit"):
        uuid7(time_ms, random)


@pytest.mark.parametrize(
    "text",
    ["", "x", str(uuid.UUID(int=0)), "f2822d59-789d-4f92-9c6f-b235a334e7f8", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"],
)
def test_other_texts_are_no_version_7(text):
    assert not is_uuid7(text)


def test_an_opaque_id_is_26_lower_case_base32_letters():
    assert opaque_id("org", bytes(16)) == "org_" + "a" * 26
    assert opaque_id("key", b"\xff" * 16) == "key_" + "7" * 25 + "4"
    with pytest.raises(ValueError, match="sixteen"):
        opaque_id("org", bytes(15))
