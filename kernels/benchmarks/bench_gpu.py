"""Every row of the table in docs/measurements.md, with its baselines, in under eight minutes: `make bench-gpu`.

Cold rows rotate over inputs of more than twice the L2 cache, warm rows use one. Each row prints µs, GB/s, the share of
the bandwidth that a large copy reaches, and the mark. A baseline that is not installed, or fails, is said and left out.
The last line is one JSON object, row name to figures.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import baselines
import search_baselines
import torch
from timing import Bench, median_us, wall_us

import metaqore_kernels as mk
from metaqore_kernels import cuda
from metaqore_kernels.options import PermutePath, RoutePath
from metaqore_kernels.results import Found

Search = Callable[[torch.Tensor], Found]
BLOCK = 64
CPU_ROWS = 1_000_000  # as many as FAISS searches on a CPU in a few seconds


def random(shape: tuple[int, ...], dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, device="cuda").to(dtype)


def bench_select(bench: Bench) -> None:
    """Selection alone."""
    for tokens, experts, dtype in [
        (16384, 256, torch.bfloat16), (8192, 128, torch.bfloat16), (8192, 256, torch.bfloat16),
        (8192, 256, torch.float32),
    ]:  # fmt: skip
        size = tokens * experts * dtype.itemsize
        moved = size + tokens * 8 * 8
        inputs = [random((tokens, experts), dtype) for _ in range(bench.copies(size))]
        name = f"select_{tokens}x{experts}_k8_{'bf16' if dtype == torch.bfloat16 else 'fp32'}"
        bench.row(f"{name}_cold", lambda x: mk.route_select(x, 8, renormalize=True), inputs, moved)
        bench.row(f"{name}_warm", lambda x: mk.route_select(x, 8, renormalize=True), inputs[:1], moved, inner=20)
        bench.row(f"{name}_cold_torch", lambda x: baselines.eager_select(x, 8), inputs, moved)
        bench.row(f"{name}_cold_torch_compile", lambda x: baselines.compiled_select(x, 8), inputs, moved)
        bench.row(f"{name}_cold_triton", lambda x: baselines.triton_select(x, 8), inputs, moved)
    size = 8192 * 256 * 4
    inputs = [random((8192, 256), torch.float32) for _ in range(bench.copies(size))]
    bias = torch.rand(256, device="cuda")
    v3 = mk.preset("deepseek_v3")
    bench.row("select_8192x256_deepseek_v3_cold", lambda x: mk.route_select(x, bias=bias, **v3), inputs, size)
    flashinfer_select(bench, inputs, bias, size)


def flashinfer_select(bench: Bench, inputs: list[torch.Tensor], bias: torch.Tensor, size: int) -> None:
    """FlashInfer's fused DeepSeek routing, where it is installed."""
    if importlib.util.find_spec("flashinfer") is None:
        bench.left_out("select_8192x256_deepseek_v3_cold_flashinfer", "skipped", "flashinfer-python is not installed")
        return
    from flashinfer.fused_moe import fused_topk_deepseek

    weights = torch.empty((8192, 8), device="cuda")
    ids = torch.empty((8192, 8), dtype=torch.int32, device="cuda")
    bench.row(
        "select_8192x256_deepseek_v3_cold_flashinfer",
        lambda x: fused_topk_deepseek(x, bias, 8, 4, 8, 2.5, weights, ids),
        inputs,
        size,
    )


def bench_permute(bench: Bench) -> None:
    """Selection with the permutation, and the permutation against its atomic twin."""
    size = 8192 * 256 * 2
    inputs = [random((8192, 256)) for _ in range(bench.copies(size))]

    def both(x: torch.Tensor, path: PermutePath) -> Any:
        chosen = mk.route_select(x, 8, renormalize=True)
        return chosen, cuda.on(x).route_permute(chosen.ids, 256, BLOCK, path=path)

    def permute(slots: torch.Tensor, path: PermutePath) -> Any:
        return cuda.on(slots).route_permute(slots, 256, BLOCK, path=path)

    paths: tuple[PermutePath, ...] = ("composed", "together")
    for path in paths:
        bench.row(f"select_permute_8192x256_k8_{path}_cold", partial(both, path=path), inputs, size + 8192 * 8 * 16)
    ids = [mk.route_select(x, 8).ids for x in inputs]
    moved = 8192 * 8 * 12
    for path in paths:
        bench.row(f"permute_8192x8_e256_{path}", partial(permute, path=path), ids, moved)
    atomic = baselines.AtomicPermute()

    def both_by_chance(x: torch.Tensor) -> Any:
        chosen = mk.route_select(x, 8, renormalize=True)
        return chosen, atomic(chosen.ids, 256, BLOCK)

    bench.row("select_permute_8192x256_k8_atomic_cold", both_by_chance, inputs, size + 8192 * 8 * 16)
    bench.row("permute_8192x8_e256_atomic", lambda i: atomic(i, 256, BLOCK), ids, moved)
    bench.row("permute_8192x8_e256_torch_sort", lambda i: torch.sort(i.view(-1), stable=True), ids, moved)


def bench_route(bench: Bench) -> None:
    """The whole step."""
    for tokens, hidden, experts, k in [(1, 7168, 256, 8), (8192, 2048, 256, 8), (65536, 384, 64, 2)]:
        size = (tokens + experts) * hidden * 2
        sets = bench.copies(size)
        pairs = [(random((tokens, hidden)), random((experts, hidden)) / hidden**0.5) for _ in range(sets)]

        def ours(pair: Any, path: RoutePath, k: int = k) -> Any:
            x, gate = pair
            return mk.route(x, gate, k, BLOCK, path=path, renormalize=True)

        def composed(pair: Any, k: int = k) -> Any:
            chosen = mk.route_select(baselines.cublas_route(*pair), k, renormalize=True)
            return chosen, mk.route_permute(chosen.ids, pair[1].shape[0], BLOCK)

        name = f"route_{tokens}_h{hidden}_e{experts}_k{k}"
        bench.row(f"{name}_cold", partial(ours, path="composed"), pairs, size)
        bench.row(f"{name}_together_cold", partial(ours, path="together"), pairs, size)
        bench.row(f"{name}_cold_cublas_composed", composed, pairs, size)
        bench.row(f"{name}_gate_alone_cold", lambda p: cuda.on(p[0]).gate_logits(*p), pairs, size)
        bench.row(f"{name}_gate_alone_cold_cublas", lambda p: baselines.cublas_route(*p), pairs, size)


def bench_rows(bench: Bench) -> None:
    """Gather and combine."""
    tokens, hidden, k, experts = 8192, 2048, 8, 256
    x = random((tokens, hidden))
    chosen = mk.route_select(random((tokens, experts)), k, renormalize=True)
    permutation = mk.route_permute(chosen.ids, experts, BLOCK)
    y = mk.gather_rows(x, permutation)
    written = y.numel() * 2
    bench.row(
        "gather_8192x2048_k8", lambda v: mk.gather_rows(v, permutation), [x], tokens * hidden * 2 + written, inner=4
    )
    moved = tokens * k * hidden * 2 + tokens * hidden * 2
    bench.row("combine_8192x2048_k8", lambda v: mk.combine(v, permutation.inverse, chosen.weights), [y], moved, inner=4)


def bench_search(bench: Bench, count: int) -> None:
    """Exact search; the time for all rows, and for what tenants may see."""
    columns, queries, k = 384, 256, 10
    rows = torch.empty((count, columns), dtype=torch.float16, device="cuda")
    for part in rows.split(1 << 20):
        part.copy_(torch.randn(part.shape, device="cuda"))
    asked = random((queries, columns), torch.float16)
    size = rows.numel() * 2
    name = f"masked_topk_{count // 1_000_000}M_x384_q256"
    bench.row(f"{name}_all", lambda q: mk.masked_topk(q, rows, k), [asked], size)
    recall_of(bench, f"{name}_all", lambda q: mk.masked_topk(q, rows, k), asked, rows)
    bench.row(f"{name}_one_query_all", lambda q: mk.masked_topk(q, rows, k), [asked[:1].contiguous()], size)
    bench.row(f"{name}_torch_matmul_topk", lambda q: search_baselines.torch_search(q, rows, k), [asked], size)
    bench_faiss(bench, asked, rows, k)
    own = torch.zeros(queries, dtype=torch.int32, device="cuda")
    for percent in (10, 1, 0.1):
        clustered = (torch.arange(count, device="cuda") >= count * percent / 100).int()
        scattered = (torch.rand(count, device="cuda") >= percent / 100).int()
        for how, tenants in (("clustered", clustered), ("scattered", scattered)):

            def search(q: torch.Tensor, tenants: torch.Tensor = tenants) -> Any:
                return mk.masked_topk(q, rows, k, query_tenants=own, row_tenants=tenants)

            case = f"{name}_{percent:g}_percent_{how}"
            bench.row(case, search, [asked], int(size * percent / 100))
            recall_of(bench, case, search, asked, rows, permitted=tenants == 0)


def recall_of(
    bench: Bench,
    name: str,
    search: Search,
    asked: torch.Tensor,
    rows: torch.Tensor,
    *,
    permitted: torch.Tensor | None = None,
) -> None:
    """The recall against fp64 of some of the queries, beside the time of a search that ran."""
    if "us" in bench.rows[name]:
        value = search_baselines.recall(asked[:16], rows, search(asked).ids[:16], permitted)
        bench.rows[name]["recall"] = round(value, 6)
        print(f"{name:<58}{value:>10.6f} recall", flush=True)


def bench_faiss(bench: Bench, asked: torch.Tensor, rows: torch.Tensor, k: int) -> None:
    """FAISS's flat search, which has no mask on a GPU; on a CPU it searches fewer rows, and so do we beside it."""
    count = len(rows)
    gpu, cpu = (f"masked_topk_{n // 1_000_000}M_x384_q256" for n in (count, min(count, CPU_ROWS)))
    found = search_baselines.faiss_found()
    if found == "none":
        bench.left_out(f"{gpu}_faiss_flat", "skipped", "FAISS is not installed: pip install faiss-gpu, or faiss-cpu")
        return
    if found == "gpu":
        flat = search_baselines.FaissOnGpu()  # it allocates as it goes, so no graph holds it
        bench.timed(f"{gpu}_faiss_gpu_flat", lambda: median_us(lambda: flat(asked, rows, k), 7), rows.numel() * 2)
        return
    some = rows[:CPU_ROWS]
    if count > CPU_ROWS:
        bench.row(f"{cpu}_all", lambda q: mk.masked_topk(q, some, k), [asked], some.numel() * 2)
    queries, vectors = asked.float().cpu().numpy(), some.float().cpu().numpy()
    bench.timed(
        f"{cpu}_faiss_cpu_flat",
        lambda: wall_us(lambda: search_baselines.faiss_on_cpu(queries, vectors, k), 3),
        vectors.nbytes,
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=440, help="after which the rows left are skipped")
    parser.add_argument("--search-rows", type=int, default=10_000_000)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    bench = Bench(chosen.seconds)
    for part in (bench_select, bench_permute, bench_route, bench_rows):
        part(bench)
    bench_search(bench, chosen.search_rows)
    device = {"device": torch.cuda.get_device_name(0), "copy_gb_s": round(bench.copy_bytes_s / 1e9, 1)}
    print(json.dumps({**device, **bench.rows}))


if __name__ == "__main__":
    main()
