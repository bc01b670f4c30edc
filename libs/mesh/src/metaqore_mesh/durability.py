"""What a request waits for, and on which brokers it may: the gateway asks, and `metaqore up` before anything starts."""

from __future__ import annotations

from typing import Literal

from metaqore_governance_core.errors import MetaQoreError

Durability = Literal["spool", "broker"]


def check_durability(durability: Durability, *, embedded: bool) -> None:
    """Raise `durability_not_kept` where requests would wait for a broker that keeps nothing."""
    if durability == "broker" and embedded:
        raise MetaQoreError(
            "durability_not_kept",
            "METAQORE_GATEWAY__DURABILITY=broker needs a broker that keeps what it acks; the embedded one does not. "
            "Name your own in METAQORE_KAFKA__BOOTSTRAP_SERVERS, or leave durability at spool.",
        )
