import numpy as np
import pytest
from cases import same
from hypothesis import given, settings
from hypothesis import strategies as st

import metaqore_kernels as mk
from metaqore_kernels import reference
from metaqore_kernels.formats import narrow, widen
from metaqore_kernels.reference.retrieval import unpack_mask


def vectors(rows, columns, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == np.int8:
        return rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    return narrow(rng.normal(size=(rows, columns)).astype(np.float32), np.zeros(0, dtype))


def test_best_first_and_ties_to_the_lower_id(path):
    rows = np.array([[1, 0], [3, 0], [3, 0], [2, 0]], np.float16)
    got = path.masked_topk(np.array([[1, 0]], np.float16), rows, 3)
    np.testing.assert_array_equal(got.ids, [[1, 2, 3]])
    np.testing.assert_array_equal(got.scores, [[3, 3, 2]])


def test_a_tenant_sees_its_rows_only_and_what_is_missing_is_said(path):
    rows = np.array([[9], [1], [5]], np.float16)
    got = path.masked_topk(
        np.ones((3, 1), np.float16), rows, 2,
        query_tenants=np.array([7, 8, 9], np.int32), row_tenants=np.array([8, 7, 7], np.int32),
    )  # fmt: skip
    np.testing.assert_array_equal(got.ids, [[2, 1], [0, -1], [-1, -1]])
    np.testing.assert_array_equal(got.scores, [[5, 1], [9, -np.inf], [-np.inf, -np.inf]])


def test_mask_bits(path):
    rows = np.arange(70, dtype=np.int8)[:, None]
    permitted = np.zeros((2, 70), bool)
    permitted[0, [3, 31, 32, 69]] = True
    permitted[1, 63] = True
    got = path.masked_topk(np.ones((2, 1), np.int8), rows, 3, mask=mk.pack_mask(permitted))
    np.testing.assert_array_equal(got.ids, [[69, 32, 31], [63, -1, -1]])


def test_l2_is_minus_the_squared_distance(path):
    rows = np.array([[0, 0], [3, 4], [1, 1]], np.float16)
    got = path.masked_topk(np.array([[1, 1]], np.float16), rows, 3, "l2")
    np.testing.assert_array_equal(got.ids, [[2, 0, 1]])
    np.testing.assert_array_equal(got.scores, [[0, -2, -13]])


def test_scales_multiply(path):
    rows = np.array([[1], [1]], np.int8)
    got = path.masked_topk(np.array([[2]], np.int8), rows, 2, scales=np.float32([0.5, 3]))
    np.testing.assert_array_equal(got.ids, [[1, 0]])
    np.testing.assert_array_equal(got.scores, [[6, 1]])


def test_nan_and_minus_infinity_are_no_answers(path):
    rows = np.array([[np.nan], [-np.inf], [2], [np.inf]], np.float16)
    got = path.masked_topk(np.ones((1, 1), np.float16), rows, 4)
    np.testing.assert_array_equal(got.ids, [[3, 2, -1, -1]])


@pytest.mark.parametrize(("queries", "rows"), [(0, 5), (3, 0)])
def test_nothing_to_search(path, queries, rows):
    got = path.masked_topk(np.ones((queries, 4), np.float16), np.ones((rows, 4), np.float16), 2)
    assert got.ids.shape == (queries, 2)
    assert (got.ids == -1).all()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.float32, np.float16, np.uint16, np.int8]),
    st.sampled_from(["dot", "l2"]),
    st.sampled_from([1, 2, 30, 384]),
    st.sampled_from([1, 10, 100]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_every_path_finds_what_the_oracle_finds(dtype, metric, columns, k, near, seed):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    rng = np.random.default_rng(seed)
    queries, rows = vectors(3, columns, dtype, seed), vectors(300, columns, dtype, seed + 1)
    if near:  # many rows within rounding of one another
        rows = rows[rng.integers(0, 3, 300)]
    extra = {"mask": mk.pack_mask(rng.random((3, 300)) < 0.5)} if seed % 2 else {}
    if seed % 3 == 0:
        extra |= {"query_tenants": np.array([0, 1, 2]), "row_tenants": rng.integers(0, 3, 300)}
    if metric == "dot" and seed % 5 == 0:
        extra["scales"] = rng.random(300).astype(np.float32)
    assert same(
        cpu.masked_topk(queries, rows, k, metric, **extra), reference.masked_topk(queries, rows, k, metric, **extra)
    )


@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_many_blocks_of_rows(metric):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    queries, rows = vectors(2, 32, np.float16), vectors(20_000, 32, np.float16, 1)
    rows[10_000:] = rows[:10_000]  # every score twice, in two blocks
    mask = mk.pack_mask(np.random.default_rng(2).random((2, 20_000)) < 0.9)
    assert same(
        cpu.masked_topk(queries, rows, 50, metric, mask=mask),
        reference.masked_topk(queries, rows, 50, metric, mask=mask),
    )


def test_recall_is_whole_where_the_margin_exceeds_the_error(path):
    queries, rows = vectors(8, 384, np.float16), vectors(3000, 384, np.float16, 1)
    exact = widen(queries).astype(np.float64) @ widen(rows).astype(np.float64).T
    got = path.masked_topk(queries, rows, 10)
    for q in range(8):
        floor = np.sort(exact[q])[-10]
        assert (exact[q, got.ids[q]] >= floor - 1e-4).all()


@given(st.integers(0, 4), st.integers(1, 100), st.integers(0, 1000))
def test_mask_words_hold_what_was_packed(queries, rows, seed):
    permitted = np.random.default_rng(seed).random((queries, rows)) < 0.5
    np.testing.assert_array_equal(unpack_mask(mk.pack_mask(permitted), rows), permitted)


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("named", [{}, {"path": "tensor"}], ids=["as it comes", "by tensor cores"])
@pytest.mark.parametrize(("small", "large"), [(1e-25, 1e12), (1e-25, 1e-18), (1e-38, 1e37), (1e-30, 1e-30), (1e25, 1)])
def test_numbers_whose_squares_are_no_fp32(request, small, large, named, metric):
    """Sums in another order are off by a share of the norms, and the norms' squares must not vanish first."""
    path = request.getfixturevalue("emulated") if named else pytest.importorskip("metaqore_kernels.cpu")
    rng = np.random.default_rng(0)
    row = (rng.normal(size=40) * 10 ** rng.uniform(-6, 0, 40)).astype(np.float32)
    rows = rng.permuted(np.tile(row * np.float32(large), (600, 1)), axis=1)  # sums that rounding alone tells apart
    queries = np.float32([[small], [-small], [small]]) * np.ones(40, np.float32)
    for like in (np.zeros(0, np.uint16), np.zeros(0, np.float32)):
        asked, stored = narrow(queries, like), narrow(rows, like)
        for k in (1, 5):
            expected = reference.masked_topk(asked, stored, k, metric)
            assert same(path.masked_topk(asked, stored, k, metric, **named), expected)
