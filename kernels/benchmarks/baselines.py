"""What the kernels are measured against: torch, compiled torch, Triton, the same permutation with atomics."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from metaqore_kernels.sizes import permutation_rows


def eager_select(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """A router as models write it."""
    scores = torch.softmax(logits.float(), dim=-1)
    weights, ids = torch.topk(scores, k, dim=-1)
    return weights / weights.sum(-1, keepdim=True), ids.int()


compiled_select = torch.compile(eager_select, dynamic=False)


@triton.jit
def _select(  # noqa: PLR0917 - a kernel takes no keywords
    logits: Any, weights: Any, ids: Any, experts: tl.constexpr, k: tl.constexpr, rows: tl.constexpr, slots: tl.constexpr
) -> None:
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    expert = tl.arange(0, experts)
    x = tl.load(logits + row[:, None] * experts + expert[None, :]).to(tl.float32)
    slot = tl.arange(0, slots)
    best = tl.full((rows, slots), float("-inf"), tl.float32)
    who = tl.zeros((rows, slots), tl.int32)
    for j in tl.static_range(k):
        top = tl.max(x, axis=1)
        index = tl.min(tl.where(x == top[:, None], expert[None, :], experts), axis=1)
        best = tl.where(slot[None, :] == j, top[:, None], best)
        who = tl.where(slot[None, :] == j, index[:, None], who)
        x = tl.where(expert[None, :] == index[:, None], float("-inf"), x)
    exps = tl.exp(best - tl.max(best, axis=1)[:, None])
    exps = exps / tl.sum(exps, axis=1)[:, None]
    where = row[:, None] * k + slot[None, :]
    tl.store(weights + where, exps, mask=slot[None, :] < k)
    tl.store(ids + where, who, mask=slot[None, :] < k)


def triton_select(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Rows in tiles; the greatest k times over; lower id on a tie. Tokens a multiple of 8, experts a power of two."""
    tokens, experts = logits.shape
    weights = logits.new_empty((tokens, k), dtype=torch.float32)
    ids = logits.new_empty((tokens, k), dtype=torch.int32)
    _select[(tokens // 8,)](logits, weights, ids, experts, k, 8, triton.next_power_of_2(k), num_warps=4)
    return weights, ids


class AtomicPermute:
    """`route_permute` whose order within an expert is left to chance."""

    def __init__(self) -> None:
        from cuda.bindings import driver
        from cuda.core import Device, Program, ProgramOptions

        self._driver = driver
        capability = Device().compute_capability
        options = ProgramOptions(arch=f"sm_{capability.major}{capability.minor}", std="c++17")
        source = (Path(__file__).parent / "permute_atomic.cu").read_text()
        self._module = Program(source, "c++", options).compile("cubin")
        self._kernels = {
            name: driver.cuKernelGetFunction(driver.CUkernel(int(self._module.get_kernel(name).handle)))[1]
            for name in ("atomic_count", "atomic_place")
        }

    def __call__(self, ids: Tensor, experts: int, block: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = permutation_rows(ids.numel(), experts, block)
        permutation, inverse = ids.new_empty(rows), torch.empty_like(ids)
        block_experts, counts = ids.new_empty(rows // block), ids.new_zeros(2048)
        slots = ids.numel()
        blocks = min(-(-slots // 256), 264)
        self._launch("atomic_count", blocks, 4096, ids, counts, slots)
        self._launch(
            "atomic_place", blocks, 4 * (experts + 1), ids, counts, counts[1024:], permutation, inverse, block_experts,
            slots, experts, block, rows,
        )  # fmt: skip
        return permutation, inverse, block_experts

    def _launch(self, name: str, blocks: int, shared: int, *arguments: Tensor | int) -> None:
        values = [ctypes.c_int(a) if isinstance(a, int) else ctypes.c_void_p(a.data_ptr()) for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        stream = torch.cuda.current_stream().cuda_stream
        function = self._kernels[name]
        status = self._driver.cuLaunchKernel(
            function, blocks, 1, 1, 256, 1, 1, shared, stream, ctypes.addressof(pointers), 0
        )[0]
        if int(status):
            raise RuntimeError(f"{name}: {status.name}")


def cublas_route(x: Tensor, gate: Tensor) -> Tensor:
    """The gate's logits by torch."""
    return (x @ gate.T).float()
