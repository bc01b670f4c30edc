"""The past of a project: its events, its points and what lies between them, and where versions come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref, State
from metaqore_ai_gateway.service.psmp.changes_between import change_of
from metaqore_ai_gateway.service.psmp.erased_bodies import body_erased
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.known import Known, id_of
from metaqore_ai_gateway.service.psmp.page_tokens import Question, check_size
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Point
from metaqore_ai_gateway.service.psmp.provenance_graph import DEEPEST, ProvenanceGraph
from metaqore_ai_gateway.service.psmp.read_aggregates import AggregateReadings
from metaqore_ai_gateway.service.psmp.reading_ports import (
    Change,
    Direction,
    PastEvent,
    Provenances,
    Slice,
    Wanted,
)
from metaqore_ai_gateway.service.psmp.reading_sources import check_scope
from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_ai_gateway.service.psmp.walk import BATCH, LOOKED_AT
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller


@dataclass(frozen=True, slots=True)
class PastReadings(AggregateReadings):
    """The part of `Readings` that looks back."""

    async def events(self, caller: Caller, project: str, after: int, size: int = 100) -> tuple[PastEvent, ...]:
        """What happened behind that version of the project, in order."""
        check_scope(caller)
        if not 0 <= after <= MAX_EXACT_INTEGER:
            raise MetaQoreError("invalid_version", "Versions are counted from 1; 0 is before the first.")
        id_ = project or DEFAULT_PROJECT
        if not storable(id_):
            raise not_found("project")
        found = tuple(await self.catalog.events(caller.organization, id_, after, check_size(size)))
        if not found:
            await self._version_at(caller, id_, None)
        return found

    async def diff(self, caller: Caller, project: str, low: Point, high: Point | None, wanted: Wanted) -> Slice[Change]:
        """What changed from one point to another, by kind and name."""
        check_scope(caller)
        size = check_size(wanted.size)
        id_ = project or DEFAULT_PROJECT
        question = Question("diff", (caller.organization, id_, low, high))
        place = question.place(wanted.token, int, int, str, str)
        if place is None:
            from_, to = await self._version_at(caller, id_, low), await self._version_at(caller, id_, high)
            after = None
        else:
            from_, to, after = place[0], place[1], _ref(place[2], place[3])
        if from_ > to:
            raise MetaQoreError("points_reversed", "The first point is the later one. Ask the other way round.")
        found, last = await self._changes(caller.organization, id_, (from_, to), after, size)
        return Slice(tuple(found), question.token(from_, to, last.kind.value, last.id) if last else "")

    async def state_form(self, caller: Caller, project: str, at: Point | None = None) -> tuple[int, bytes]:
        """The project's version there, and the whole state of then in the form of RFC 8785."""
        check_scope(caller)
        id_ = project or DEFAULT_PROJECT
        version = await self._version_at(caller, id_, at)
        pieces = [piece async for piece in self.replay.pieces(caller.organization, id_, version)]
        return version, b"".join(pieces)

    async def provenance(
        self, caller: Caller, artifact: str, number: int, direction: Direction, depth: int
    ) -> Provenances:
        """Where a version comes from, or what was made from it."""
        if not 0 <= depth <= DEEPEST:
            raise MetaQoreError("invalid_depth", f"Ask for a depth of 0 to {DEEPEST}.")
        known, version = await self.version(caller, artifact, number)
        graph = ProvenanceGraph(self.provenance_rows)
        return await graph(caller.organization, known.id, version.number, direction, depth)

    async def checkpoint(self, caller: Caller, checkpoint: str) -> tuple[str, Checkpoint]:
        """The project of a checkpoint, and the checkpoint, by its id."""
        check_scope(caller)
        found = await self.checkpoint_rows.find(caller.organization, checkpoint) if storable(checkpoint) else None
        if found is None:
            raise not_found("checkpoint")
        return found

    async def checkpoints(self, caller: Caller, project: str, wanted: Wanted) -> Slice[Checkpoint]:
        """The newest first."""
        check_scope(caller)
        size = check_size(wanted.size)
        id_ = project or DEFAULT_PROJECT
        question = Question("checkpoints", (caller.organization, id_))
        place = question.place(wanted.token, int, str)
        before = None if place is None else (place[0], place[1])
        if not storable(id_):
            raise not_found("project")
        found = await self.checkpoint_rows.page(caller.organization, id_, before=before, size=size + 1)
        if not found:
            await self._version_at(caller, id_, None)
        last = found[size - 1] if len(found) > size else None
        return Slice(tuple(found[:size]), question.token(last.version, last.name) if last else "")

    async def body(self, caller: Caller, artifact: str, number: int, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The bytes of a version from `offset` on, in pieces."""
        _, version = await self.version(caller, artifact, number)
        organization, digest = caller.organization, version.content.body.digest
        if version.erased:
            raise body_erased((await self.bodies.erased(organization, [digest])).get(digest))
        async with aclosing(self.bodies.read(organization, digest, offset)) as pieces:
            async for piece in pieces:
                yield piece

    async def _changes(
        self, organization: str, project: str, between: tuple[int, int], after: Ref | None, size: int
    ) -> tuple[list[Change], Ref | None]:
        """The first changes, and behind what the next page begins; None where there is none."""
        found: list[Change] = []
        looked_at = 0
        while True:
            refs = await self.catalog.changed(organization, project, *between, after=after, size=BATCH)
            before = await self.catalog.at(organization, project, refs, between[0])
            later = await self.catalog.at(organization, project, refs, between[1])
            for ref in refs:
                change = change_of(ref, id_of(organization, project, ref), _state(before, ref), _state(later, ref))
                if change is not None:
                    if len(found) == size:
                        return found, after
                    found.append(change)
                after = ref
            looked_at += len(refs)
            if len(refs) < BATCH:
                return found, None
            if looked_at >= LOOKED_AT:
                return found, after


def _state(known: Mapping[Ref, Known], ref: Ref) -> State | None:
    return known[ref].state if ref in known else None


def _ref(kind: str, id_: str) -> Ref:
    try:
        return Ref(Kind(kind), id_)
    except ValueError:
        raise MetaQoreError(
            "invalid_page_token", "Take the page token from the page before, as it was given."
        ) from None
