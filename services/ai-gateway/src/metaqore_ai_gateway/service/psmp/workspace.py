"""A project inside one transaction: what was read of it, and what the submissions so far make of it.

Each submission works on a layer of its own. It is kept whole or dropped whole, so that one that is refused leaves the
others as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Outcome, Ref
from metaqore_ai_gateway.service.psmp.folding import beginning, fold, is_open
from metaqore_ai_gateway.service.psmp.index_layer import IndexLayer
from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_ai_gateway.service.psmp.ports import Answered, Changes, ProjectTransaction, Recorded
from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Standing, holders_of, rows_for
from metaqore_governance_core.psmp.artifact_events import BodyErased, Proposed
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Artifact
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, Entry
from metaqore_governance_core.psmp.event_codec import Event
from metaqore_governance_core.psmp.project import Project


@dataclass(slots=True)
class _Layer:
    aggregates: dict[Ref, Standing] = field(default_factory=dict)
    index: IndexLayer = field(default_factory=IndexLayer)
    events: list[Happened] = field(default_factory=list)
    bodies: dict[str, NewBody] = field(default_factory=dict)
    lives: dict[str, bool] = field(default_factory=dict)
    """Of each text that was brought or erased, whether it can be read after all of it."""


class Workspace:
    """One project. `begin`, then commands, then `keep` or `drop`; at last `changes`."""

    def __init__(self, transaction: ProjectTransaction, organization: str, project: str) -> None:
        self.organization = organization
        self.project_ref = Ref(Kind.PROJECT, project)
        self._transaction = transaction
        self._read: dict[Ref, Standing] = {}
        self._sampled: dict[ConflictKey, Sequence[Found]] = {}
        self._complete: dict[ConflictKey, Sequence[Found]] = {}
        self._bodies: dict[str, bool] = {}
        self._kept = _Layer()
        self._layer = _Layer()
        self._recorded: list[Recorded] = []

    @property
    def version(self) -> int:
        """The project's version after everything so far."""
        return self._transaction.version + len(self._kept.events) + len(self._layer.events)

    def begin(self) -> None:
        """Start a layer for the next submission."""
        self._layer = _Layer()

    def keep(self, command: str) -> None:
        """Keep what the submission with this id did."""
        self._kept.aggregates.update(self._layer.aggregates)
        self._kept.index.absorb(self._layer.index)
        self._kept.events += self._layer.events
        self._kept.bodies.update(self._layer.bodies)
        self._kept.lives.update(self._layer.lives)
        self._recorded += [Recorded(one, command) for one in self._layer.events]
        self._layer = _Layer()

    def drop(self) -> None:
        """Forget what the submission did."""
        self._layer = _Layer()

    def outcome(self) -> Outcome:
        """What the submission did so far."""
        states = {ref: standing.state for ref, standing in self._layer.aggregates.items()}
        return Outcome(self.version, tuple(self._layer.events), states)

    def changes(self, answers: Mapping[str, Answered]) -> Changes:
        """All that was kept."""
        index = self._kept.index
        erased = [digest for digest, is_alive in self._kept.lives.items() if not is_alive]
        bodies = self._kept.bodies
        return Changes(self._recorded, self._kept.aggregates, index.removed, index.placed, answers, bodies, erased)

    async def fetch(self, refs: Collection[Ref]) -> None:
        """Read what is not known yet, at once."""
        missing = [ref for ref in refs if ref not in self._read]
        if missing:
            found = await self._transaction.aggregates(missing)
            self._read.update({ref: found.get(ref) or Standing(beginning(ref.kind)) for ref in missing})

    async def fetch_bodies(self, digests: Collection[str]) -> None:
        """Read whether the keys of these texts live, at once; those that do live on until the end."""
        missing = [digest for digest in digests if digest not in self._bodies]
        if missing:
            living = await self._transaction.bodies(missing)
            self._bodies.update({digest: digest in living for digest in missing})

    def bring(self, body: NewBody) -> None:
        """Let this text be there. Of those who bring the same one row is written: the most sensitive of them counts."""
        former = self._layer.bodies.get(body.digest) or self._kept.bodies.get(body.digest)
        if former is not None and former.sensitivity > body.sensitivity:
            body = replace(body, sensitivity=former.sensitivity)
        self._layer.bodies[body.digest] = body
        self._layer.lives[body.digest] = True

    async def has_body(self, digest: str) -> bool:
        """Whether this text is kept and can be read."""
        for layer in (self._layer, self._kept):
            if digest in layer.lives:
                return layer.lives[digest]
        await self.fetch_bodies([digest])
        return self._bodies[digest]

    async def standing(self, ref: Ref) -> Standing:
        """An aggregate as it is now, in its beginning where it does not exist."""
        for known in (self._layer.aggregates, self._kept.aggregates):
            if ref in known:
                return known[ref]
        await self.fetch([ref])
        return self._read[ref]

    async def project(self) -> Project:
        """The project as it is now."""
        state = (await self.standing(self.project_ref)).state
        assert isinstance(state, Project)  # noqa: S101 - what its kind says
        return state

    async def artifact(self, name: str) -> tuple[Standing, Artifact]:
        """An artifact as it is now."""
        standing = await self.standing(Ref(Kind.ARTIFACT, name))
        assert isinstance(standing.state, Artifact)  # noqa: S101 - what its kind says
        return standing, standing.state

    async def record(self, ref: Ref, happened: Sequence[Event]) -> frozenset[str]:
        """Let it happen; gives the parties of which something left the conflict index."""
        before = await self.standing(ref)
        state = fold(before.state, happened)
        born = before.born or self.version + 1
        after = Standing(state, before.version + len(happened), born, _offered_us(before, state, happened))
        for count, event in enumerate(happened, start=1):
            self._layer.events.append(Happened(self.version + 1, ref, before.version + count, event))
            if isinstance(event, BodyErased) and isinstance(state, Artifact):
                self._layer.lives[state.versions[event.version - 1].content.body.digest] = False
        self._layer.aggregates[ref] = after
        return self._reindex(before, after, lasting=ref.kind is not Kind.TASK)

    def _reindex(self, before: Standing, after: Standing, *, lasting: bool) -> frozenset[str]:
        """What a version declares lasts while it stands; a lease is the same holder with another end."""
        had, has = holders_of(before.state), holders_of(after.state)
        same = had & has if lasting else frozenset()
        for holder in had - same:
            self._layer.index.remove(holder, rows_for(before, holder))
        for holder in has - same:
            self._layer.index.place(holder, rows_for(after, holder))
        return frozenset(holder.party for holder in had - has)

    async def fetch_sample(self, keys: Iterable[ConflictKey]) -> None:
        """Read what stands under these keys as far as it tells whether anything clashes."""
        missing = [key for key in keys if key not in self._sampled]
        if missing:
            found = await self._transaction.sample(missing)
            self._sampled.update({key: found.get(key, ()) for key in missing})

    async def shared(
        self, keys: Collection[ConflictKey], *, complete: bool = False
    ) -> dict[ConflictKey, tuple[Found, ...]]:
        """What stands under these keys now: all of it, or as much as tells whether anything clashes."""
        thinned = self._kept.index.thinned | self._layer.index.thinned
        whole = set(keys) if complete else set(keys) & thinned
        missing = [key for key in whole if key not in self._complete]
        if missing:
            found = await self._transaction.complete(missing)
            self._complete.update({key: found.get(key, ()) for key in missing})
        await self.fetch_sample(key for key in keys if key not in whole)
        return {key: self._under(key, (self._complete if key in whole else self._sampled)[key]) for key in keys}

    def _under(self, key: ConflictKey, read: Sequence[Found]) -> tuple[Found, ...]:
        kept, layer = self._kept.index, self._layer.index
        if not kept.placed and not layer.placed:
            return tuple(read)
        found = [one for one in read if one.holder not in kept.placed and one.holder not in layer.placed]
        placed = [one for one in kept.under(key) if one.holder not in layer.placed]
        placed += layer.under(key)
        if placed:
            found = sorted([*found, *placed], key=_by_holder)
        return tuple(found)

    async def stopped(self, parties: frozenset[str] | None) -> list[Holder]:
        """The proposals in conflicts with one of these, or with anybody; the longest waiting first."""
        read = await self._transaction.stopped(parties)
        await self.fetch([Ref(Kind.ARTIFACT, holder.party) for holder in read])
        changed = [ref.id for ref in (*self._kept.aggregates, *self._layer.aggregates) if ref.kind is Kind.ARTIFACT]
        found: dict[Holder, int] = {}
        for name in dict.fromkeys([*(holder.party for holder in read), *changed]):
            _, artifact = await self.artifact(name)
            found.update(
                {
                    Holder(name, version.number): version.since_us
                    for version in artifact.versions
                    if version.phase in OFFERED_PHASES
                    for one in version.conflicts
                    if parties is None or any(party.artifact in parties for party in one.conflict.clashing)
                }
            )
        return sorted(found, key=lambda holder: (found[holder], holder))

    async def open_refs(self) -> tuple[Ref, ...]:
        """What in the project is not final, by kind and id."""
        known = {**self._kept.aggregates, **self._layer.aggregates}
        unchanged = [ref for ref in await self._transaction.open_items() if ref not in known]
        opened = [ref for ref, standing in known.items() if is_open(standing.state)]
        return tuple(sorted([*unchanged, *opened]))


def _by_holder(one: Found) -> Holder:
    return one.holder


def entries_of(found: Mapping[ConflictKey, Iterable[Found]]) -> dict[ConflictKey, list[Entry]]:
    """The entries alone, as they are judged."""
    return {key: [entry for one in some for entry in one.entries] for key, some in found.items()}


def _offered_us(before: Standing, state: object, happened: Sequence[Event]) -> tuple[int, ...]:
    if not isinstance(state, Artifact):
        return ()
    offered = [*before.offered_us, *[0] * (len(state.versions) - len(before.offered_us))]
    for event in happened:
        if isinstance(event, Proposed):
            offered[event.version - 1] = event.at_us
    return tuple(offered)
