"""A row that no query may see is not even read: its page is one that cannot be."""

import ctypes
import mmap
import multiprocessing

import numpy as np
import pytest
from cases import same

from metaqore_kernels import reference

PAGE = mmap.PAGESIZE
COLUMNS = 8


def rows_on_pages(forbidden):
    """A row to a page, of which those of the forbidden rows cannot be read."""
    memory = mmap.mmap(-1, len(forbidden) * PAGE)
    rows = np.frombuffer(memory, np.float16).reshape(len(forbidden), -1)[:, :COLUMNS]
    rows[:] = np.random.default_rng(0).normal(size=rows.shape)
    libc = ctypes.CDLL(None, use_errno=True)
    for row in np.flatnonzero(forbidden):
        assert libc.mprotect(ctypes.c_void_p(rows[row].ctypes.data), PAGE, 0) == 0
    return rows


def search(path, queries, forbidden, named):
    tenants = forbidden.astype(np.int32)
    extra = {"query_tenants": np.zeros(len(queries), np.int32), "row_tenants": tenants}
    readable = rows_on_pages(np.zeros_like(forbidden))
    expected = reference.masked_topk(queries, readable, 3, **extra)
    assert same(path.masked_topk(queries, rows_on_pages(forbidden), 3, **extra, **named), expected)


@pytest.mark.parametrize("which", ["clustered", "scattered", "all"])
@pytest.mark.parametrize(
    ("path", "named"),
    [("reference", {}), ("cpu", {}), ("emulated", {}), ("emulated", {"path": "tensor"})],
    indirect=["path"],
)
def test_what_nobody_may_see_is_not_read(path, which, named):
    rng = np.random.default_rng(1)
    scattered = rng.random(1500) < 0.95
    forbidden = {"clustered": np.arange(1500) > 200, "scattered": scattered, "all": np.ones(1500, bool)}[which]
    queries = rng.normal(size=(3, COLUMNS)).astype(np.float16)
    child = multiprocessing.get_context("fork").Process(target=search, args=(path, queries, forbidden, named))
    child.start()
    child.join()
    assert child.exitcode == 0  # a read would end it by a signal
