"""What is planned for sizes that no test can hold: the views have shapes, and no memory."""

import pytest

from metaqore_kernels.cuda import permute_plan, route_plan, rows_plan, search_plan, select_plan
from metaqore_kernels.cuda.launches import Arguments, View, fields
from metaqore_kernels.options import RouteOptions

MULTIPROCESSORS = 132  # of an H100


def view(shape, kind):
    return View(0, shape, (shape[-1], 1)[-len(shape) :], kind)


class NoDevice:
    multiprocessors = MULTIPROCESSORS

    def workspace(self, _size_bytes):
        return 0


def search_of(queries, rows, columns, kind="fp16", k=10):
    return search_plan.Search(
        queries=view((queries, columns), kind), vectors=view((rows, columns), kind), scores=view((queries, k), "fp32"),
        ids=view((queries, k), "int64"), squared=False, query_tenants=None, row_tenants=None, mask=None, scales=None,
        multiprocessors=MULTIPROCESSORS,
    )  # fmt: skip


def permute(slots, rows, block=1):
    results = permute_plan.PermuteResults(permutation=view((rows,), "int32"))
    layout = permute_plan.Layout(num_experts=8, block=block)
    return permute_plan.plan_permute(view((slots,), "int32"), layout, results, NoDevice())


def test_the_searchs_path_is_chosen_by_size():
    for kind in ("fp32", "fp16", "bf16", "int8"):
        assert search_plan.by_tensor_cores(search_of(256, 10_000_000, 384, kind), "auto")
    for unfit in [
        search_of(1, 10_000_000, 384),
        search_of(256, 1000, 384),
        search_of(256, 10_000_000, 383),
        search_of(256, 10_000_000, 392, "int8"),
        search_of(65535, 2**32 - 1, 8),  # more spans than a grid has blocks
    ]:
        assert not search_plan.by_tensor_cores(unfit, "auto")
    with pytest.raises(ValueError, match="16 bytes"):
        search_plan.by_tensor_cores(search_of(256, 100, 383), "tensor")


@pytest.mark.parametrize("path", ["exact", "tensor"])
@pytest.mark.parametrize(("queries", "k"), [(1, 256), (256, 10), (256, 256), (65535, 10), (65535, 256)])
def test_a_searchs_workspace_stays_small(queries, k, path):
    search = search_of(queries, 10_000_000, 384, k=k)
    warps = MULTIPROCESSORS * search_plan.BLOCKS_PER_MULTIPROCESSOR * search_plan.WARPS
    lists = warps * search_plan.QUERIES_TOGETHER + queries * search_plan.WARPS
    kept = queries * (search_plan.ROOM * 4 + k * 12 + 64) if path == "tensor" else 0
    assert search_plan.workspace_bytes(search, path) <= lists * k * 8 + kept


@pytest.mark.parametrize("queries", [1, 3, 4, 257, 65535])
def test_every_row_is_searched_by_some_warp(queries):
    for rows in (0, 1, 31, 33, 65_537, 2**32 - 1):
        lists, per_warp = search_plan.spread(search_of(queries, rows, 8))
        assert lists * per_warp >= rows
        assert lists % search_plan.WARPS == per_warp % 32 == 0


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: search_of(1, 2**32, 8), "in parts"),
        (lambda: search_of(65536, 9, 8), "at a time"),
        (lambda: search_of(1, 9, 8, k=257), "at most 256 rows"),
        (lambda: search_of(1, 9, 33_026, "int8"), "columns"),
        (lambda: permute(2**30 + 1, 2**30 + 1), "fewer tokens"),
        (lambda: permute(8, 2**30 + 8, 2**30 + 8), "fewer tokens"),
    ],
)
def test_sizes_that_are_refused(ask, says):
    with pytest.raises(ValueError, match=says):
        ask()


def test_the_greatest_int8_distance_fits():
    assert search_plan.MOST_INT8_COLUMNS * 255**2 < 2**31
    assert search_of(1, 9, search_plan.MOST_INT8_COLUMNS, "int8")


def test_no_size_is_cut_off_on_its_way_to_a_kernel():
    class Sizes(Arguments):
        _fields_ = fields("""
            q: bytes
            i: rows
        """)

    assert Sizes(bytes=2**40, rows=2**31 - 1).rows == 2**31 - 1
    with pytest.raises(ValueError, match="rows is 2147483648"):
        Sizes(bytes=0, rows=2**31)
    tall = view((2**31, 8), "fp32")
    with pytest.raises(ValueError, match="rows is"):
        rows_plan.plan_gather(tall, view((2**31,), "int32"), tall, 1)


def test_a_count_of_tokens_past_the_batch_is_the_batch():
    for count, real in [(-1, 0), (3, 3), (2**40, 4)]:
        chooser = select_plan.Chooser(options=RouteOptions(), num_tokens=count)
        launch = select_plan.plan_select(view((4, 8), "fp32"), chooser, view((4, 2), "fp32"), view((4, 2), "int32"))[0]
        assert launch.arguments.real_tokens == real


def test_every_width_of_select_is_met():
    assert [width for width, _, _ in select_plan.WIDTHS] == [64, 128, 256, 512, 1024]
    assert all(lanes * per == width for width, lanes, per in select_plan.WIDTHS)


def test_no_block_asks_for_more_shared_memory_than_every_device_gives():
    most = 48 << 10  # without a word to the driver
    assert most >= search_plan.FILTER_SHARED
    assert most >= rows_plan.TENSOR_SHARED
    assert permute_plan.shared_bytes(1024) <= most
    assert most >= search_plan.MERGE_THREADS * search_plan.DEEP // 32 * 8
    scored = select_plan.Chooser(options=RouteOptions(n_group=1, topk_group=1))
    for threads, widths in ((select_plan.THREADS, select_plan.WIDTHS), (route_plan.THREADS, route_plan.WIDTHS)):
        assert all(threads // lanes * select_plan.row_bytes(scored, lanes, per) <= most for _, lanes, per in widths)
