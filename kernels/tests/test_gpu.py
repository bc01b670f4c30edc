"""What only a device can show: many rows, many runs, captured graphs, streams, processes. `make test-gpu`."""

import multiprocessing
import os

import numpy as np
import pytest
from cases import STYLES, logits, same

torch = pytest.importorskip("torch")

import metaqore_kernels as mk  # noqa: E402
from metaqore_kernels import cpu, cuda  # noqa: E402
from metaqore_kernels.formats import narrow  # noqa: E402
from metaqore_kernels.options import RouteOptions  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]

CHOICES = [
    (64, 2, {"renormalize": True}, False),
    (128, 8, {"scoring": "sigmoid"}, False),
    (
        256,
        8,
        {"scoring": "sigmoid", "n_group": 8, "topk_group": 4, "group_score": "top2_sum", "renormalize": True},
        True,
    ),
    (257, 6, {"scoring": "sqrtsoftplus", "renormalize": True}, True),
    (1024, 32, {}, False),
]


@pytest.mark.parametrize(("experts", "k", "options", "biased"), CHOICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])
def test_ten_million_adversarial_rows(gpu, experts, k, options, biased, dtype):
    """Of all parameters together; an environment variable makes it fewer."""
    rows = int(os.environ.get("METAQORE_GPU_TEST_ROWS", "10000000")) // 15
    bias = np.random.default_rng(9).normal(0, 0.3, experts).astype(np.float32) if biased else None
    chosen = RouteOptions(**options)
    part = 64_000_000 // experts
    for i, start in enumerate(range(0, rows, part)):
        x = logits(STYLES[i % len(STYLES)], min(part, rows - start), experts, seed=i, dtype=dtype)
        assert same(gpu.route_select(x, k, chosen, bias=bias), cpu.route_select(x, k, chosen, bias=bias))


def test_ten_thousand_runs_are_one(gpu):
    x = torch.from_numpy(logits("tied", 4096, 256)).cuda().bfloat16()
    first = None
    different = torch.zeros((), dtype=torch.int64, device="cuda")
    for _ in range(10_000):
        chosen = mk.route_select(x, 8, renormalize=True)
        placed = mk.route_permute(chosen.ids, 256, 64)
        if first is None:
            first = (*chosen, *placed)
        different += sum((a != b).sum() for a, b in zip(first, (*chosen, *placed), strict=True))
    assert different.item() == 0


def test_a_captured_graph_replays_beside_a_busy_stream(gpu):
    x = torch.from_numpy(logits("plain", 8192, 256)).cuda().bfloat16()
    real = torch.tensor([8192], dtype=torch.int32, device="cuda")
    busy, noise = torch.cuda.Stream(), torch.rand((4096, 4096), device="cuda")
    for path in ("composed", "together"):
        mk.route_select(x, 8, num_tokens=real)  # modules are loaded before a capture
        cuda.on(x).route_permute(torch.zeros((8192, 8), dtype=torch.int32, device="cuda"), 256, 64, path=path)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            chosen = mk.route_select(x, 8, renormalize=True, num_tokens=real)
            placed = cuda.on(x).route_permute(chosen.ids, 256, 64, path=path)
        for seed, tokens in enumerate([8192, 1, 0, 5000]):
            new = torch.from_numpy(logits("plain", 8192, 256, seed)).cuda().bfloat16()
            new[tokens:] = float("nan")
            x.copy_(new)
            real.fill_(tokens)
            with torch.cuda.stream(busy):
                for _ in range(20):
                    noise = (noise @ noise).clamp(-1, 1)
            graph.replay()
            torch.cuda.synchronize()
            rows = new.view(torch.int16).cpu().numpy().view(np.uint16)
            expected = cpu.route_select(rows, 8, RouteOptions(renormalize=True), num_tokens=tokens)
            assert same([chosen.weights.cpu().numpy()], [expected.weights])
            np.testing.assert_array_equal(chosen.ids.cpu(), expected.ids)
            assert same([field.cpu().numpy() for field in placed], cpu.route_permute(expected.ids, 256, 64))


@pytest.mark.parametrize("tokens", [1, 8192])
def test_one_launch_routes_as_the_composed_path_beside_a_busy_stream(gpu, tokens):
    x, gate = (torch.randn((n, 1024), device="cuda").bfloat16() for n in (tokens, 256))
    busy, noise = torch.cuda.Stream(), torch.rand((4096, 4096), device="cuda")
    mk.route(x, gate, 8, 64, path="together", renormalize=True)  # modules are loaded before a capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = mk.route(x, gate, 8, 64, path="together", renormalize=True)
    for seed in range(10):
        torch.manual_seed(seed)
        x.copy_(torch.randn(x.shape, device="cuda"))
        with torch.cuda.stream(busy):
            for _ in range(20):
                noise = (noise @ noise).clamp(-1, 1)
        graph.replay()
        torch.cuda.synchronize()
        expected = mk.route(x, gate, 8, 64, path="composed", renormalize=True)
        for one, other in zip(
            [got.logits, *got.selection, *got.permutation],
            [expected.logits, *expected.selection, *expected.permutation],
            strict=True,
        ):
            assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16, np.int8])
@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_tensor_cores_find_what_the_cpu_finds(gpu, dtype, metric):
    rng = np.random.default_rng(0)
    if dtype == np.int8:
        queries, rows = (rng.integers(-128, 128, (n, 64)).astype(np.int8) for n in (70, 100_000))
    else:
        queries, rows = (narrow(rng.normal(size=(n, 64)).astype(np.float32), np.zeros(0, dtype)) for n in (70, 100_000))
    rows[50_000:] = rows[:50_000]  # ties
    for share in (1, 0.01):
        extra = {
            "query_tenants": np.zeros(70, np.int32),
            "row_tenants": (rng.random(100_000) >= share).astype(np.int32),
        }
        got = gpu.masked_topk(queries, rows, 10, metric, **extra, path="tensor")
        assert same(got, cpu.masked_topk(queries, rows, 10, metric, **extra))


def test_a_given_stream_is_used(gpu):
    stream = torch.cuda.Stream()
    x = torch.from_numpy(logits("plain", 64, 64)).cuda()
    torch.cuda.synchronize()
    chosen = mk.route_select(x, 4, stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(chosen.ids.cpu(), mk.route_select(x.cpu().numpy(), 4).ids)


def test_rows_past_int32_elements(gpu):
    hidden, tokens, k = 7168, 40_000, 8
    if torch.cuda.mem_get_info()[0] < 16 << 30:
        pytest.skip("needs 16 GiB")
    x = (
        torch.arange(tokens, device="cuda", dtype=torch.int32)
        .to(torch.float16)[:, None]
        .expand(tokens, hidden)
        .contiguous()
    )
    ids = torch.arange(k, device="cuda", dtype=torch.int32).repeat(tokens, 1)
    permutation = mk.route_permute(ids, k, 128)
    y = mk.gather_rows(x, permutation)
    assert y.numel() > 2**31
    weights = torch.full((tokens, k), 1 / k, device="cuda")
    assert torch.equal(mk.combine(y, permutation.inverse, weights), x)


def test_search_past_int32_elements(gpu):
    if torch.cuda.mem_get_info()[0] < 8 << 30:
        pytest.skip("needs 8 GiB")
    rows = torch.zeros((6_000_000, 384), dtype=torch.float16, device="cuda")
    rows[5_999_999, 383] = 1
    query = torch.ones((1, 384), dtype=torch.float16, device="cuda")
    found = mk.masked_topk(query, rows, 2)
    assert found.ids.cpu().tolist() == [[5_999_999, 0]]


def forked(connection):
    try:
        mk.route_select(torch.zeros((1, 8)).numpy(), 2)
        cuda.on(torch.empty(0))
        connection.send("no error")
    except Exception as error:  # noqa: BLE001 - its text is the result
        connection.send(str(error))


def test_a_forked_child_is_told(gpu):
    mk.route_select(torch.zeros((1, 8), device="cuda"), 2)
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=forked, args=(theirs,))
    process.start()
    assert "fork" in mine.recv()
    process.join()
