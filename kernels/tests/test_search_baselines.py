"""What the search is measured against says what it should: FAISS finds what we find, and a recall can be missed."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import search_baselines  # noqa: E402

import metaqore_kernels as mk  # noqa: E402


def some(rows, seed):
    return np.random.default_rng(seed).normal(size=(rows, 64)).astype(np.float16)


def test_recall_counts_what_fp64_finds():
    queries, rows = torch.from_numpy(some(4, 0)), torch.from_numpy(some(500, 1))
    ids = mk.masked_topk(queries, rows, 5).ids
    assert search_baselines.recall(queries, rows, ids) == 1
    wrong = ids.clone()
    wrong[0, 0] = (queries[0].float() @ rows.float().T).argmin()
    wrong[1, 4] = -1
    assert search_baselines.recall(queries, rows, wrong) == 18 / 20


def test_recall_knows_who_may_see_what():
    queries, rows = torch.from_numpy(some(2, 0)), torch.from_numpy(some(50, 1))
    theirs = np.array([1] * 47 + [0] * 3, np.int32)
    found = mk.masked_topk(queries, rows, 5, query_tenants=np.zeros(2, np.int32), row_tenants=theirs)
    permitted = torch.from_numpy(theirs == 0)
    assert search_baselines.recall(queries, rows, found.ids, permitted) == 1  # three, and two -1
    everyones = mk.masked_topk(queries, rows, 5).ids
    assert search_baselines.recall(queries, rows, everyones, permitted) < 1


def test_faiss_finds_the_same():
    pytest.importorskip("faiss")
    queries, rows = some(4, 0), some(500, 1)
    scores, ids = search_baselines.faiss_on_cpu(queries.astype(np.float32), rows.astype(np.float32), 5)
    found = mk.masked_topk(queries, rows, 5)
    np.testing.assert_array_equal(ids, found.ids)
    np.testing.assert_allclose(scores, found.scores, rtol=1e-5)
    assert search_baselines.faiss_found() in {"cpu", "gpu"}
