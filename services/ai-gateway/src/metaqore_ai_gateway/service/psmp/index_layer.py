"""Changes to the conflict index that are not written yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Rows
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey


@dataclass(slots=True)
class IndexLayer:
    """`placed` is what each holder has now, nothing where it left. `removed` is what it had before, in turn."""

    placed: dict[Holder, Rows] = field(default_factory=dict)
    by_key: dict[ConflictKey, dict[Holder, None]] = field(default_factory=dict)
    removed: list[tuple[Holder, Rows]] = field(default_factory=list)
    thinned: set[ConflictKey] = field(default_factory=set)
    """The keys where somebody left: a sample of them may be without whom it should name."""

    def place(self, holder: Holder, rows: Rows) -> None:
        """`holder` has these now."""
        self.placed[holder] = rows
        for key in rows:
            self.by_key.setdefault(key, {})[holder] = None

    def remove(self, holder: Holder, rows: Rows) -> None:
        """`holder`, who had these, has nothing now."""
        self.placed[holder] = {}
        self.removed.append((holder, rows))
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
        self.removed += above.removed
        self.thinned |= above.thinned
