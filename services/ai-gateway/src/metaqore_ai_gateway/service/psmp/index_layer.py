"""Changes to the conflict index that are not written yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Rows
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey


@dataclass(slots=True)
class IndexLayer:
    """`placed` is what each holder has now, nothing where it left. `thinned` are the keys where somebody left."""

    placed: dict[Holder, Rows] = field(default_factory=dict)
    by_key: dict[ConflictKey, dict[Holder, None]] = field(default_factory=dict)
    thinned: set[ConflictKey] = field(default_factory=set)

    def place(self, holder: Holder, rows: Rows) -> None:
        """`holder` has these now."""
        self.placed[holder] = rows
        for key in rows:
            self.by_key.setdefault(key, {})[holder] = None

    def remove(self, holder: Holder, rows: Rows) -> None:
        """`holder`, who had these, has nothing now."""
        self.placed[holder] = {}
        self.thinned.update(rows)

    def under(self, key: ConflictKey) -> Iterator[Found]:
        """What the layer itself puts under a key."""
        for holder in self.by_key.get(key, ()):
            entries = self.placed[holder].get(key)
            if entries:
                yield Found(holder, entries)

    def absorb(self, above: IndexLayer) -> None:
        """Take over what the layer above this one changes."""
        for holder, rows in above.placed.items():
            self.place(holder, rows)
        self.thinned |= above.thinned
