"""How route_select is launched: the kernel for the row's width, and its argument."""

from __future__ import annotations

from metaqore_kernels.cuda.launches import Arguments, Launch, View, fields, pointer
from metaqore_kernels.options import RouteOptions
from metaqore_kernels.sizes import ceil_div

THREADS = 128
# experts up to, lanes to a row, experts to a lane
WIDTHS = ((64, 8, 8), (128, 16, 8), (256, 32, 8), (512, 32, 16), (1024, 32, 32))
SCORINGS = {"softmax": 1, "sigmoid": 2, "sqrtsoftplus": 3}


class SelectArguments(Arguments):
    """As in select.cu."""

    _fields_ = fields("""
        p: logits bias mask expert_map num_tokens weights ids
        q: row_stride mask_stride
        i: tokens real_tokens experts k scoring groups kept_groups top2 share_by_softmax renormalize wide_ids aligned
        f: scale
    """)


def plan_select(
    logits: View,
    options: RouteOptions,
    weights: View,
    ids: View,
    *,
    bias: View | None,
    mask: View | None,
    expert_map: View | None,
    num_tokens: View | int | None,
) -> list[Launch]:
    """One launch, or none for an empty batch."""
    (tokens, experts), k = logits.shape, weights.shape[1]
    _, lanes, per = next(width for width in WIDTHS if experts <= width[0])
    biased = bias is not None
    by_logit = options.ranks_by_logit(biased=biased)
    arguments = SelectArguments(
        logits=logits.pointer,
        bias=pointer(bias),
        mask=pointer(mask),
        expert_map=pointer(expert_map),
        num_tokens=pointer(num_tokens) if isinstance(num_tokens, View) else None,
        weights=weights.pointer,
        ids=ids.pointer,
        row_stride=logits.strides[0],
        mask_stride=0 if mask is None or len(mask.shape) == 1 else mask.strides[0],
        tokens=tokens,
        real_tokens=min(max(num_tokens, 0), tokens) if isinstance(num_tokens, int) else tokens,
        experts=experts,
        k=k,
        scoring=0 if options.softmax_after_topk else SCORINGS[options.scoring],
        groups=options.n_group or 1,
        kept_groups=options.topk_group or 1,
        top2=options.group_score == "top2_sum",
        share_by_softmax=options.softmax_of_chosen(biased=biased),
        renormalize=options.renormalize,
        wide_ids=ids.kind == "int64",
        aligned=logits.is_aligned(per),
        scale=options.scale,
    )
    rows = THREADS // lanes
    width = lanes * per
    kernel = f"select_by_{'logit' if by_logit else 'score'}_{logits.kind}_{lanes}x{per}"
    shared = 0 if by_logit else rows * 2 * (width + width // 32) * 4
    return [Launch(kernel, arguments, (ceil_div(tokens, rows), 1), THREADS, shared)] if tokens else []
