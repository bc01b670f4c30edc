"""Named routers: each does what the model's code in `transformers` does, ties and degenerate rows better defined."""

from __future__ import annotations

from typing import Final, TypedDict, Unpack

from metaqore_kernels.options import GroupScore, Scoring


class Scores(TypedDict, total=False):
    """How experts are scored and weighted: keyword arguments of `route_select` and `route`."""

    scoring: Scoring
    n_group: int | None
    topk_group: int | None
    group_score: GroupScore
    renormalize: bool
    scale: float
    softmax_after_topk: bool


class Preset(Scores, total=False):
    """All that a model's configuration says of its router."""

    k: int


# k, groups and scale are those of the published checkpoint; another one may differ: preset("qwen3", k=4).
PRESETS: Final[dict[str, Preset]] = {
    "mixtral": {"k": 2, "renormalize": True},
    "qwen3": {"k": 8, "renormalize": True},
    "deepseek_v2": {"k": 6, "n_group": 8, "topk_group": 3, "scale": 16.0},
    # V3 and V4 also need bias=e_score_correction_bias
    "deepseek_v3": {
        "k": 8,
        "scoring": "sigmoid",
        "n_group": 8,
        "topk_group": 4,
        "group_score": "top2_sum",
        "renormalize": True,
        "scale": 2.5,
    },
    "deepseek_v4": {"k": 6, "scoring": "sqrtsoftplus", "renormalize": True, "scale": 1.5},
    "gpt_oss": {"k": 4, "softmax_after_topk": True},
    "llama4": {"k": 1, "scoring": "sigmoid"},
}


def preset(name: str, **changes: Unpack[Preset]) -> Preset:
    """The arguments of a named router, with `changes`: `route_select(logits, **preset("mixtral"))`."""
    if name not in PRESETS:
        raise ValueError(f"No preset is named {name!r}; there are {', '.join(PRESETS)}.")
    return {**PRESETS[name], **changes}
