"""How route_select is launched: the kernel for the row's width, and its argument."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_kernels.cuda.launches import Arguments, Launch, View, fields, pointer
from metaqore_kernels.options import RouteOptions
from metaqore_kernels.sizes import ceil_div

THREADS = 128
# experts up to, lanes to a row, experts to a lane
WIDTHS = ((64, 8, 8), (128, 16, 8), (256, 32, 8), (512, 32, 16), (1024, 32, 32))
SCORINGS = {"softmax": 1, "sigmoid": 2, "sqrtsoftplus": 3}


class SelectArguments(Arguments):
    """As in select.cuh."""

    _fields_ = fields("""
        p: logits bias mask expert_map num_tokens weights ids
        q: row_stride mask_stride
        i: tokens real_tokens experts k scoring groups kept_groups top2 share_by_softmax renormalize wide_ids aligned
        f: scale
    """)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """What a selection reads besides the logits."""

    options: RouteOptions
    bias: View | None = None
    mask: View | None = None
    expert_map: View | None = None
    num_tokens: View | int | None = None

    @property
    def by_score(self) -> bool:
        """Whether the order is that of the scores, for which all experts are scored."""
        return not self.options.ranks_by_logit(biased=self.bias is not None)


def width_of(experts: int) -> tuple[int, int]:
    """How many lanes a row has, and how many experts a lane."""
    return next((lanes, per) for most, lanes, per in WIDTHS if experts <= most)


def row_bytes(chooser: Chooser, lanes: int, per: int) -> int:
    """The shared memory of one row."""
    width = lanes * per
    return 2 * (width + width // 32) * 4 if chooser.by_score else 0


def select_arguments(logits: View, chooser: Chooser, weights: View, ids: View) -> SelectArguments:
    """What the selection's kernels are given."""
    (tokens, experts), options, count = logits.shape, chooser.options, chooser.num_tokens
    return SelectArguments(
        logits=logits.pointer,
        bias=pointer(chooser.bias),
        mask=pointer(chooser.mask),
        expert_map=pointer(chooser.expert_map),
        num_tokens=pointer(count) if isinstance(count, View) else None,
        weights=weights.pointer,
        ids=ids.pointer,
        row_stride=logits.strides[0],
        mask_stride=0 if chooser.mask is None or len(chooser.mask.shape) == 1 else chooser.mask.strides[0],
        tokens=tokens,
        real_tokens=min(max(count, 0), tokens) if isinstance(count, int) else tokens,
        experts=experts,
        k=weights.shape[1],
        scoring=0 if options.softmax_after_topk else SCORINGS[options.scoring],
        groups=options.n_group or 1,
        kept_groups=options.topk_group or 1,
        top2=options.group_score == "top2_sum",
        share_by_softmax=options.softmax_of_chosen(biased=chooser.bias is not None),
        renormalize=options.renormalize,
        wide_ids=ids.kind == "int64",
        aligned=logits.is_aligned(width_of(experts)[1]),
        scale=options.scale,
    )


def plan_select(logits: View, chooser: Chooser, weights: View, ids: View) -> list[Launch]:
    """One launch, or none for an empty batch."""
    tokens, experts = logits.shape
    lanes, per = width_of(experts)
    rows = THREADS // lanes
    kernel = f"select_by_{'score' if chooser.by_score else 'logit'}_{logits.kind}_{lanes}x{per}"
    arguments = select_arguments(logits, chooser, weights, ids)
    shared = rows * row_bytes(chooser, lanes, per)
    return [Launch(kernel, arguments, (ceil_div(tokens, rows), 1), THREADS, shared)] if tokens else []
