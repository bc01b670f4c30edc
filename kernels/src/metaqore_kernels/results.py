"""What the operations answer with: named arrays, of the library that the inputs came from."""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any  # numpy.ndarray, torch.Tensor, or anything else that speaks DLPack


class Selection(NamedTuple):
    """The experts of each token, best first."""

    weights: Array  # fp32 [T, k]; 0 where there is no expert
    ids: Array  # int32 or int64 [T, k]; -1 where there is no expert


class Permutation(NamedTuple):
    """Where each slot (a token's j-th expert, t*k + j) goes when rows are grouped by expert, each group padded."""

    permutation: Array  # int32 [rows]: the slot in each row, -1 where the row is padding
    inverse: Array  # int32 [T, k]: the row of each slot, -1 where it was dropped
    counts: Array  # int32 [E]: rows that an expert really has
    offsets: Array  # int32 [E+1]: where its rows begin; the last is the number of rows in use
    block_experts: Array  # int32 [rows/block]: the expert of each block of rows, -1 past the rows in use


class Routed(NamedTuple):
    """All of a router's step: what was chosen, and where it goes."""

    logits: Array  # fp32 [T, E]
    selection: Selection
    permutation: Permutation


class Found(NamedTuple):
    """The best rows for each query, best first."""

    scores: Array  # fp32 [Q, k]; larger is better; -inf where nothing was found
    ids: Array  # int64 [Q, k]; -1 where nothing was found
