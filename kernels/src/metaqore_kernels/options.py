"""The words that operations take, and how a router scores: one frozen, checked value for all paths."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

Scoring = Literal["softmax", "sigmoid", "sqrtsoftplus"]
GroupScore = Literal["max", "top2_sum"]
IdType = Literal["int32", "int64"]
Metric = Literal["dot", "l2"]
# which kernels serve on a GPU; "auto" chooses by shape
GatePath = Literal["auto", "exact", "tensor"]
PermutePath = Literal["auto", "small", "composed", "together"]
SearchPath = Literal["auto", "exact", "tensor"]
RoutePath = Literal["auto", "composed", "together"]

MAX_EXPERTS = 1024
MAX_CHOSEN = 32


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What `route_select` does besides taking the k best; docs/route_select.md says each."""

    scoring: Scoring = "softmax"
    n_group: int | None = None
    topk_group: int | None = None
    group_score: GroupScore = "max"
    renormalize: bool = False
    scale: float = 1.0
    softmax_after_topk: bool = False

    def __post_init__(self) -> None:
        if self.scoring not in {"softmax", "sigmoid", "sqrtsoftplus"}:
            raise ValueError(f"scoring is softmax, sigmoid or sqrtsoftplus, not {self.scoring!r}.")
        if self.group_score not in {"max", "top2_sum"}:
            raise ValueError(f"group_score is max or top2_sum, not {self.group_score!r}.")
        if (self.n_group is None) != (self.topk_group is None):
            raise ValueError("Give n_group and topk_group together.")
        if self.n_group is not None and self.topk_group is not None and not 1 <= self.topk_group <= self.n_group:
            raise ValueError(f"topk_group is 1 to n_group ({self.n_group}), not {self.topk_group}.")
        if not isfinite(self.scale):
            raise ValueError(f"scale is a finite number, not {self.scale}.")
        if self.softmax_after_topk and self.scoring != "softmax":
            raise ValueError("softmax_after_topk scores by softmax; leave scoring at its default.")

    def check_shape(self, num_experts: int, k: int) -> None:
        """Refuse what no path can do."""
        if not 1 <= num_experts <= MAX_EXPERTS:
            raise ValueError(f"The number of experts is 1 to {MAX_EXPERTS}, not {num_experts}.")
        if not 1 <= k <= MAX_CHOSEN:
            raise ValueError(f"k is 1 to {MAX_CHOSEN}, not {k}.")
        if self.n_group is not None and num_experts % self.n_group:
            raise ValueError(f"{num_experts} experts do not divide into {self.n_group} groups.")

    def ranks_by_logit(self, *, biased: bool) -> bool:
        """Whether the order is that of the logits: every scoring is monotone, until a bias or groups come in."""
        return self.n_group is None and not biased

    def softmax_of_chosen(self, *, biased: bool) -> bool:
        """Whether the weights are a softmax over the chosen logits: asked for, or all that renormalizing leaves."""
        if self.softmax_after_topk:
            return True
        return self.scoring == "softmax" and self.renormalize and self.ranks_by_logit(biased=biased)
