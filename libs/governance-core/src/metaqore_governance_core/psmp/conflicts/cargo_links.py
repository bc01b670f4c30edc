"""Two crates of one workspace that link one native library, which Cargo refuses.

Source: The Cargo Book, "Build Scripts", on the `links` field of a manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)


@dataclass(frozen=True, slots=True)
class CargoLink:
    """That the crate of a party links a native library."""

    party: Party
    library: str
    crate: str


def link_conflicts(key: str, links: Sequence[CargoLink]) -> list[Conflict]:
    """The conflict among the crates that link one library, where there is more than one of them."""
    by_crate = {link.crate: link for link in links}
    if len(by_crate) < 2:  # noqa: PLR2004 - it takes two to clash
        return []
    first, last = (by_crate[crate] for crate in list(by_crate)[:: len(by_crate) - 1][:2])
    clashing = (first.party, last.party)
    return [
        make_conflict(
            ConflictType.CARGO_LINKS,
            Severity.BLOCKING,
            key,
            parties=tuple(link.party for link in links),
            clashing=clashing,
            suggestion=Choice.KEEP_EXISTING,
            explanation=(
                f"Only one crate may link {first.library}: {listed(clashing)}. "
                "Let one depend on the other, or give it its own environment."
            ),
        )
    ]
