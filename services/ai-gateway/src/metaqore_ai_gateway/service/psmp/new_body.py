"""A small text on its way into the transaction of the version that names it."""

from __future__ import annotations

from dataclasses import dataclass, field

from metaqore_governance_core.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class NewBody:
    """The row of a text that is kept sealed in it: there is nothing of it before its version is there.

    `digest` is its address in the organization, under the key `key_id`; `name` is no other text's, nor was it ever.
    A version that names it is at least as sensitive as `sensitivity`.
    """

    digest: str
    key_id: str
    size_bytes: int
    name: str
    wrapped_key: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    sensitivity: Sensitivity
