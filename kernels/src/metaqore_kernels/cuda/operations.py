"""The operations on a device: results are made, launches planned and sent; nothing waits."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from metaqore_kernels.cuda import search_plan
from metaqore_kernels.cuda.launches import Device, Kind, View
from metaqore_kernels.cuda.permute_plan import Layout, PermuteResults, plan_permute
from metaqore_kernels.cuda.route_plan import RouteArrays, plan_route
from metaqore_kernels.cuda.rows_plan import plan_balance, plan_combine, plan_gate, plan_gather
from metaqore_kernels.cuda.search_plan import Search
from metaqore_kernels.cuda.select_plan import Chooser, plan_select
from metaqore_kernels.options import GatePath, PermutePath, RouteOptions, SearchPath
from metaqore_kernels.reference.layouts import AlignedBlocks, GroupedRows, MaskedRows
from metaqore_kernels.results import Array, Found, Permutation, Routed, Selection
from metaqore_kernels.sizes import aligned_slots, ceil_div, permutation_rows

FLOATS: tuple[Kind, ...] = ("fp32", "fp16", "bf16")
INTEGERS: tuple[Kind, ...] = ("int32", "int64")


@dataclass(frozen=True, slots=True)
class Operations:
    """What `reference` and `cpu` have as functions, on one device and stream."""

    device: Device

    def route_select(
        self,
        logits: Array,
        k: int,
        options: RouteOptions,
        *,
        bias: Array | None = None,
        mask: Array | None = None,
        expert_map: Array | None = None,
        num_tokens: Array | int | None = None,
        id_type: Kind = "int64",
        out: Selection | None = None,
    ) -> Selection:
        """As `reference.route_select`; `num_tokens` is an int, or an int32 on the device."""
        x = self.rows("logits", logits, *FLOATS)
        found = out or self.empty_selection(x.shape[0], k, id_type)
        chooser = self.chooser(options, bias, mask, num_tokens, expert_map)
        weights, ids = self.written("weights", found.weights, "fp32"), self.written("ids", found.ids, *INTEGERS)
        self.device.launch(plan_select(x, chooser, weights, ids))
        return found

    def empty_selection(self, tokens: int, k: int, id_type: Kind) -> Selection:
        """Room for the experts of each token."""
        return Selection(self.device.empty((tokens, k), "fp32"), self.device.empty((tokens, k), id_type))

    def chooser(
        self,
        options: RouteOptions,
        bias: Array | None,
        mask: Array | None,
        num_tokens: Array | int | None,
        expert_map: Array | None = None,
    ) -> Chooser:
        """What a selection reads, in place."""
        return Chooser(
            options=options,
            bias=self.maybe("bias", bias, "fp32"),
            mask=self.maybe("mask", mask, "uint8"),
            expert_map=self.maybe("expert_map", expert_map, "int32"),
            num_tokens=num_tokens if isinstance(num_tokens, int) else self.maybe("num_tokens", num_tokens, "int32"),
        )

    def route_permute(
        self, ids: Array, num_experts: int, block: int, capacity: int | None = None, *, path: PermutePath = "auto"
    ) -> Permutation:
        """As `reference.route_permute`."""
        slots = self.whole("ids", ids, *INTEGERS)
        result, views = self.empty_permutation(slots.shape, num_experts, block, capacity)
        layout = Layout(num_experts=num_experts, block=block, capacity=capacity)
        self.device.launch(plan_permute(slots, layout, views, self.device, path))
        return result

    def empty_permutation(
        self, shape: tuple[int, ...], num_experts: int, block: int, capacity: int | None
    ) -> tuple[Permutation, PermuteResults]:
        """Room for the permutation of ids of a shape."""
        rows, empty = permutation_rows(prod(shape), num_experts, block, capacity), self.device.empty
        result = Permutation(
            empty((rows,), "int32"),
            empty(shape, "int32"),
            empty((num_experts,), "int32"),
            empty((num_experts + 1,), "int32"),
            empty((rows // block,), "int32"),
        )
        return result, PermuteResults(**dict(zip(Permutation._fields, map(self.device.view, result), strict=True)))

    def route(
        self,
        x: Array,
        gate: Array,
        k: int,
        options: RouteOptions,
        block: int,
        *,
        capacity: int | None = None,
        bias: Array | None = None,
        mask: Array | None = None,
        num_tokens: Array | int | None = None,
        path: GatePath = "auto",
    ) -> Routed:
        """The whole step in one launch, equal to the composed one bit for bit."""
        rows, experts = self.gate_operands(x, gate)
        tokens, num_experts = rows.shape[0], experts.shape[0]
        logits = self.device.empty((tokens, num_experts), "fp32")
        found = self.empty_selection(tokens, k, "int32")
        placed, results = self.empty_permutation((tokens, k), num_experts, block, capacity)
        arrays = RouteArrays(
            x=rows,
            gate=experts,
            logits=self.device.view(logits),
            weights=self.device.view(found.weights),
            ids=self.device.view(found.ids),
        )
        layout = Layout(num_experts=num_experts, block=block, capacity=capacity)
        chooser = self.chooser(options, bias, mask, num_tokens)
        self.device.launch(plan_route(arrays, chooser, layout, results, self.device, path=path))
        return Routed(logits, found, placed)

    def moe_align_block_size(
        self,
        ids: Array,
        block: int,
        num_experts: int,
        expert_map: Array | None = None,
        *,
        pad_sorted_ids: bool = False,
        ignore_invalid_experts: bool = False,
    ) -> AlignedBlocks:
        """As `reference.layouts.moe_align_block_size`."""
        slots = self.whole("ids", ids, *INTEGERS)
        bound = aligned_slots(slots.size, num_experts, block, pad=pad_sorted_ids)
        empty = self.device.empty
        result = AlignedBlocks(
            empty((bound,), "int32"), empty((ceil_div(bound, block),), "int32"), empty((1,), "int32")
        )
        sorted_ids, expert_ids, used = map(self.device.view, result)
        layout = Layout(
            num_experts=num_experts,
            block=block,
            expert_map=self.maybe("expert_map", expert_map, "int32"),
            drop_unmapped=ignore_invalid_experts and expert_map is not None,
            padding=slots.size,
            past_blocks=0 if expert_map is None else -1,
        )
        results = PermuteResults(permutation=sorted_ids, block_experts=expert_ids, rows_in_use=used)
        self.device.launch(plan_permute(slots, layout, results, self.device))
        return result

    def grouped_rows(self, ids: Array, num_experts: int, block: int = 128) -> GroupedRows:
        """As `reference.layouts.grouped_rows`."""
        slots = self.whole("ids", ids, *INTEGERS)
        rows = permutation_rows(slots.size, num_experts, block)
        empty = self.device.empty
        result = GroupedRows(empty((rows,), "int32"), empty((num_experts,), "int32"))
        m_indices, ends = map(self.device.view, result)
        unused = self.device.view(empty((rows,), "int32"))
        results = PermuteResults(permutation=unused, row_experts=m_indices, ends=ends)
        self.device.launch(plan_permute(slots, Layout(num_experts=num_experts, block=block), results, self.device))
        return result

    def masked_rows(self, ids: Array, num_experts: int, max_m: int) -> MaskedRows:
        """As `reference.layouts.masked_rows`."""
        slots = self.whole("ids", ids, *INTEGERS)
        empty = self.device.empty
        result = MaskedRows(
            empty((num_experts, max_m), "int32"), empty(slots.shape, "int32"), empty((num_experts,), "int32")
        )
        permutation, inverse, counts = map(self.device.view, result)
        results = PermuteResults(permutation=permutation, inverse=inverse, counts=counts)
        layout = Layout(num_experts=num_experts, block=1, capacity=max_m, fixed_rows=max_m)
        self.device.launch(plan_permute(slots, layout, results, self.device))
        return result

    def gather_rows(self, x: Array, permutation: Permutation) -> Array:
        """As `reference.gather_rows`."""
        source = self.rows("x", x, *FLOATS)
        slots = self.whole("permutation", permutation.permutation, "int32")
        y = self.device.empty((slots.size, source.shape[1]), source.kind)
        self.device.launch(plan_gather(source, slots, self.device.view(y), int(permutation.inverse.shape[1])))
        return y

    def combine(self, y: Array, inverse: Array, weights: Array) -> Array:
        """As `reference.combine`."""
        rows = self.whole("y", y, *FLOATS)
        places = self.whole("inverse", inverse, "int32")
        out = self.device.empty((places.shape[0], rows.shape[1]), rows.kind)
        shares = self.whole("weights", weights, "fp32")
        self.device.launch(plan_combine(rows, places, shares, self.device.view(out)))
        return out

    def gate_logits(self, x: Array, gate: Array, *, path: GatePath = "auto") -> Array:
        """As `reference.gate_logits` by the path "exact"; near it by "tensor"."""
        rows, experts = self.gate_operands(x, gate)
        logits = self.device.empty((rows.shape[0], experts.shape[0]), "fp32")
        self.device.launch(plan_gate(rows, experts, self.device.view(logits), path))
        return logits

    def gate_operands(self, x: Array, gate: Array) -> tuple[View, View]:
        """The views of both, of one type."""
        rows, experts = self.rows("x", x, *FLOATS), self.rows("gate", gate, *FLOATS)
        if rows.kind != experts.kind:
            raise TypeError(f"x and gate have one type; got {rows.kind} and {experts.kind}.")
        return rows, experts

    def balance_update(self, counts: Array, bias: Array, gamma: float) -> Array:
        """As `reference.balance_update`."""
        loads, biases = self.whole("counts", counts, *INTEGERS), self.whole("bias", bias, "fp32")
        out = self.device.empty(biases.shape, "fp32")
        self.device.launch(plan_balance(loads, biases, self.device.view(out), gamma))
        return out

    def masked_topk(
        self,
        queries: Array,
        vectors: Array,
        k: int,
        metric: str = "dot",
        *,
        query_tenants: Array | None = None,
        row_tenants: Array | None = None,
        mask: Array | None = None,
        scales: Array | None = None,
        path: SearchPath = "auto",
    ) -> Found:
        """As `reference.masked_topk`."""
        asked = self.whole("queries", queries, *FLOATS, "int8")
        rows = self.rows("vectors", vectors, *FLOATS, "int8")
        count = asked.shape[0]
        result = Found(self.device.empty((count, k), "fp32"), self.device.empty((count, k), "int64"))
        tenants = self.maybe("row_tenants", row_tenants, *INTEGERS)
        own = self.maybe("query_tenants", query_tenants, *INTEGERS)
        if tenants is not None and own is not None and tenants.kind != own.kind:
            raise TypeError(f"Tenants have one type; got {own.kind} and {tenants.kind}.")
        search = Search(
            queries=asked,
            vectors=rows,
            scores=self.device.view(result.scores),
            ids=self.device.view(result.ids),
            squared=metric == "l2",
            query_tenants=own,
            row_tenants=tenants,
            mask=self.maybe("mask", mask, "uint32"),
            scales=self.maybe("scales", scales, "fp32"),
            multiprocessors=self.device.multiprocessors,
        )
        workspace = self.device.workspace(search_plan.workspace_bytes(search, path))
        self.device.launch(search_plan.plan_search(search, workspace, path))
        return result

    def rows(self, name: str, array: Array, *kinds: Kind) -> View:
        """The view of a matrix whose rows may lie apart, each in one piece."""
        view = self.typed(name, array, *kinds)
        return view if view.rows_are_contiguous() else self.device.view(self.device.contiguous(array))

    def whole(self, name: str, array: Array, *kinds: Kind) -> View:
        """The view of an array in one piece."""
        view = self.typed(name, array, *kinds)
        return view if view.is_contiguous() else self.device.view(self.device.contiguous(array))

    def written(self, name: str, array: Array, *kinds: Kind) -> View:
        """The view of an array that results go to."""
        view = self.typed(name, array, *kinds)
        if not view.is_contiguous():
            raise ValueError(f"out.{name} must be contiguous: results are written there.")
        return view

    def maybe(self, name: str, array: Array | None, *kinds: Kind) -> View | None:
        """As `whole`, where there may be none."""
        return None if array is None else self.whole(name, array, *kinds)

    def typed(self, name: str, array: Array, *kinds: Kind) -> View:
        """The view of an array of one of the kinds."""
        view = self.device.view(array)
        if view.kind not in kinds:
            raise TypeError(f"{name} is {' or '.join(kinds)} on a GPU, not {view.kind}.")
        return view
