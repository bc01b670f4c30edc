"""The oracle: every operation in plain NumPy, written to be read, equal bit for bit to what the fast paths give."""

from metaqore_kernels.reference.balance import balance_update
from metaqore_kernels.reference.gate import gate_logits
from metaqore_kernels.reference.permute import route_permute
from metaqore_kernels.reference.retrieval import masked_topk
from metaqore_kernels.reference.rows import combine, gather_rows
from metaqore_kernels.reference.select import route_select

__all__ = ["balance_update", "combine", "gate_logits", "gather_rows", "masked_topk", "route_permute", "route_select"]
