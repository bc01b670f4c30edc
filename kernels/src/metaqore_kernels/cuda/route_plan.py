"""How the whole of route is launched at once: the gate's logits, the selection and the permutation."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_kernels.cuda import permute_plan, rows_plan, select_plan
from metaqore_kernels.cuda.launches import Arguments, Device, Launch, View, fields
from metaqore_kernels.cuda.permute_plan import Layout, PermuteArguments, PermuteResults
from metaqore_kernels.cuda.rows_plan import GateArguments
from metaqore_kernels.cuda.select_plan import Chooser, SelectArguments
from metaqore_kernels.options import GatePath
from metaqore_kernels.sizes import ceil_div

THREADS = 256
WARPS = THREADS // 32
WIDTHS = ((64, 8, 8), (256, 32, 8))  # as select_plan's; a kernel holds all three parts, so there are few
MOST_EXPERTS = WIDTHS[-1][0]
ROWS_AT_ONCE = 32  # that a block selects at most


class RouteArguments(Arguments):
    """As in route.cu."""

    _fields_ = (
        ("gate", GateArguments),
        ("select", SelectArguments),
        ("permute", PermuteArguments),
        *fields("""
            i: tensor tile_tokens
        """),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteArrays:
    """What route reads and writes."""

    x: View
    gate: View
    logits: View
    weights: View
    ids: View


def plan_route(
    arrays: RouteArrays, chooser: Chooser, layout: Layout, results: PermuteResults, device: Device, *, path: GatePath
) -> list[Launch]:
    """One cooperative launch: as many blocks as have work, and no more than the device holds at once."""
    x, (tokens, experts), k = arrays.x, arrays.logits.shape, arrays.weights.shape[1]
    if x.kind == "fp32" or experts > MOST_EXPERTS:
        raise ValueError(f"One launch routes fp16 or bf16 among at most {MOST_EXPERTS} experts; else name 'composed'.")
    tensor = rows_plan.by_tensor_cores(x, arrays.gate, path)
    _, lanes, per = next(width for width in WIDTHS if experts <= width[0])
    most = min(permute_plan.MOST_TILES, device.multiprocessors)
    tile_tokens = max(ceil_div(ceil_div(tokens, most), ROWS_AT_ONCE), 1) * ROWS_AT_ONCE
    tiles = max(ceil_div(tokens, tile_tokens), 1), tile_tokens * k
    if tensor:
        works = ceil_div(tokens, rows_plan.TENSOR_TOKENS) * ceil_div(experts, rows_plan.TENSOR_EXPERTS)
    else:
        works = ceil_div(experts * ceil_div(tokens, rows_plan.GATE_TOKENS), WARPS)
    workspace = device.workspace(tiles[0] * experts * 4)
    arguments = RouteArguments(
        gate=rows_plan.gate_arguments(x, arrays.gate, arrays.logits),
        select=select_plan.select_arguments(arrays.logits, chooser, arrays.weights, arrays.ids),
        permute=permute_plan.permute_arguments(
            arrays.ids, layout, results, tiles, workspace=workspace, counter=device.counter()
        ),
        tensor=tensor,
        tile_tokens=tile_tokens,
    )
    shared = max(
        rows_plan.TENSOR_SHARED if tensor else 0,
        THREADS // lanes * select_plan.row_bytes(chooser, lanes, per),
        permute_plan.shared_bytes(experts),
    )
    kernel = f"route_by_{'score' if chooser.by_score else 'logit'}_{x.kind}_{lanes}x{per}"
    grid = (min(max(works, tiles[0]), device.multiprocessors), 1)
    return [Launch(kernel, arguments, grid, THREADS, shared, together=True)]
