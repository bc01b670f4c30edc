"""The fast CPU path, compiled by numba (the extra `cpu`), equal to the oracle bit for bit."""

from metaqore_kernels.cpu.permute import route_permute
from metaqore_kernels.cpu.retrieval import masked_topk
from metaqore_kernels.cpu.select import route_select
from metaqore_kernels.cpu.sums import combine, gate_logits
from metaqore_kernels.reference.balance import balance_update  # NumPy has nothing to gain on
from metaqore_kernels.reference.rows import gather_rows  # as above

__all__ = ["balance_update", "combine", "gate_logits", "gather_rows", "masked_topk", "route_permute", "route_select"]
