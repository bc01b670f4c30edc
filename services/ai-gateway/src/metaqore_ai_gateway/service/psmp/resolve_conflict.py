"""A chosen resolution as commands: its steps and the judgement after them are one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TypeVar

from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.contents import Made, MakeContent
from metaqore_ai_gateway.service.psmp.history_ports import History
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.merge_texts import merged_text
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict
from metaqore_ai_gateway.service.psmp.translate import Who
from metaqore_ai_gateway.service.psmp.uploads import BodyStore, StoredBody
from metaqore_governance_core.contracts.psmp_commands import ResolveConflict
from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Provenance, Version
from metaqore_governance_core.psmp.conflicts.model import Choice, Party
from metaqore_governance_core.psmp.refusal import conflict as refused
from metaqore_governance_core.psmp.resolution import Standing, Step, resolution_steps
from metaqore_governance_core.sensitivity import Sensitivity

T = TypeVar("T")

MAX_MERGED_BYTES = 4 << 20
"""Texts are merged in memory, so they are bounded."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a choice does: its steps, as they are told, and what the store is asked."""

    steps: tuple[Step, ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class PlanResolution:
    """Finds out what a choice does now. The deciders say again whether it may be done, in the transaction.

    With `keeps` unset it keeps nothing, and says the same.
    """

    history: History
    bodies: BodyStore
    keeps: bool = True

    async def __call__(self, command: ResolveConflict, found: FoundConflict, who: Who) -> Resolution:
        """Raises `PsmpRefusedError` where the choice does not fit, or the texts cannot be merged."""
        version = await self.history.newest(who.organization, who.project)
        choice, states = Choice(command.choice), await self._parties(found, who, version)
        steps = _steps(found, states, choice, who)
        ref = Ref(Kind.ARTIFACT, found.artifact)
        chosen = commands.Resolve(who.by, who.at_us, command.version, found.opened.conflict.id, choice, command.why)
        asked = [Asked(ref, chosen, command.expected_revision)]
        for step in steps:
            if step.verb == "draft":
                made = await self._made(step, command, found, states, who)
                asked += _offered(step, made, _text_by(choice, found, command.version, step, states), who)
            else:
                asked.append(_ended(step, command.why, who))
        return Resolution(tuple(_told(step, states) for step in steps), tuple(asked))

    async def told(self, command: ResolveConflict, found: FoundConflict, who: Who, version: int) -> tuple[Step, ...]:
        """The steps of a choice that was made at this version of the project, as they were told then."""
        states = await self._parties(found, who, version)
        return tuple(_told(step, states) for step in _steps(found, states, Choice(command.choice), who))

    async def _parties(self, found: FoundConflict, who: Who, version: int) -> dict[str, Artifact]:
        names = sorted({party.artifact for party in found.opened.conflict.parties} | {found.artifact})
        return {name: await self._artifact(name, version, who) for name in names}

    async def _artifact(self, name: str, version: int, who: Who) -> Artifact:
        state = await self.history.state(who.organization, who.project, version, Ref(Kind.ARTIFACT, name))
        return state if isinstance(state, Artifact) else Artifact()

    async def _made(
        self, step: Step, command: ResolveConflict, found: FoundConflict, states: dict[str, Artifact], who: Who
    ) -> Made:
        incoming = states[found.artifact].versions[command.version - 1]
        content = replace(incoming.content, provenance=_provenance(incoming, step, who))
        if Choice(command.choice) is not Choice.MERGE:
            await self._kept(who.organization, content.body.digest)
            return Made(content)
        standing = states[step.artifact].versions[step.version - 2]
        stored, text = await self._merged(command, incoming, standing, states, who)
        make = MakeContent(self.bodies)
        ours = await make.by_hand(who.organization, step.artifact, standing.content)
        theirs = await make.by_hand(who.organization, found.artifact, content)
        joined = replace(
            theirs,
            body=Body(stored.digest, stored.key_id, ours.body.media_type, stored.size_bytes),
            paths=_joined(ours.paths, theirs.paths),
            renames=_joined(ours.renames, theirs.renames),
            dependencies=_joined(ours.dependencies, theirs.dependencies),
            sensitivity=max(stored.sensitivity, *_sensitivities(ours, theirs)).name,
        )
        return Made(await make.again(who.organization, step.artifact, joined, text), stored.new)

    async def _merged(
        self,
        command: ResolveConflict,
        incoming: Version,
        standing: Version,
        states: dict[str, Artifact],
        who: Who,
    ) -> tuple[StoredBody, bytes | None]:
        """What stands for the merged text, and the text itself, unless it was uploaded."""
        if command.content_digest:
            return await self._kept(who.organization, command.content_digest), None
        base = _ancestor(incoming, standing, states, who)
        texts = [await self._text(who.organization, one) for one in (base, standing, incoming)]
        merged = await asyncio.to_thread(merged_text, texts[0], texts[1], texts[2])
        if not self.keeps:
            return self.bodies.measured(who.organization, merged), merged
        sensitivity = max(_sensitivities(standing.content, incoming.content))
        return await self.bodies.bring(who.organization, merged, sensitivity), merged

    async def _kept(self, organization: str, digest: str) -> StoredBody:
        stored = await self.bodies.find(organization, digest)
        if stored is None:
            raise refused("content_missing", "No body with this digest is kept here. Upload it first.")
        return stored

    async def _text(self, organization: str, version: Version | None) -> bytes:
        if version is None:
            return b""
        if version.content.body.size_bytes > MAX_MERGED_BYTES:
            raise refused("merge_impossible", "The texts are too large to be merged here. Upload the merged one.")
        return b"".join([piece async for piece in self.bodies.read(organization, version.content.body.digest)])


def _sensitivities(*contents: Content) -> list[Sensitivity]:
    return [Sensitivity[content.sensitivity] for content in contents]


def _told(step: Step, states: dict[str, Artifact]) -> Step:
    """A version that is drafted gets the next number."""
    return replace(step, version=len(states[step.artifact].versions) + 1) if step.verb == "draft" else step


def _steps(found: FoundConflict, states: dict[str, Artifact], choice: Choice, who: Who) -> tuple[Step, ...]:
    incoming = _party(found, states[found.artifact])
    return resolution_steps(found.opened.conflict, incoming, _standing(found, states), choice, who.by)


def _ended(step: Step, why: str, who: Who) -> Asked:
    class_ = commands.Reject if step.verb == "reject" else commands.Deprecate
    return Asked(Ref(Kind.ARTIFACT, step.artifact), class_(who.by, who.at_us, step.version, why))


def _text_by(
    choice: Choice, found: FoundConflict, number: int, step: Step, states: dict[str, Artifact]
) -> frozenset[str]:
    """Whose text the new version has: a merge that of all its parents, else that of what came in."""
    sources = step.parents if choice is Choice.MERGE else (f"{found.artifact}@{number}",)
    named = [(name, int(version)) for name, _, version in (one.rpartition("@") for one in sources)]
    authors = [states[name].versions[version - 1].authors for name, version in named]
    return frozenset().union(*authors) - {SYSTEM.name}


def _offered(step: Step, made: Made, text_by: frozenset[str], who: Who) -> list[Asked]:
    ref, of = Ref(Kind.ARTIFACT, step.artifact), (who.organization, who.project, step.artifact)
    draft = commands.Draft(who.by, who.at_us, *of, made.content, text_by)
    return [Asked(ref, draft, body=made.body), Asked(ref, commands.Propose(who.by, who.at_us, NEWEST, ()))]


def _party(found: FoundConflict, artifact: Artifact) -> Party:
    own = [one for one in found.opened.conflict.parties if one.artifact == found.artifact]
    version = artifact.versions[found.number - 1]
    return next(
        (one for one in own if one.version == found.number),
        Party(found.artifact, found.number, version.proposed_by or version.drafted_by, ""),
    )


def _standing(found: FoundConflict, states: dict[str, Artifact]) -> tuple[Standing, ...]:
    """The parties that are versions of artifacts, as they stand now; a lease ends by itself."""
    return tuple(
        Standing(party, states[party.artifact].versions[party.version - 1].phase)
        for party in found.opened.conflict.parties
        if party.version <= len(states[party.artifact].versions)
    )


def _joined(ours: tuple[T, ...], theirs: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*ours, *theirs)))


def _provenance(incoming: Version, step: Step, who: Who) -> Provenance:
    """Where the new version comes from. It is made for a task only where who offered the text for it makes it, too."""
    former = incoming.content.provenance
    task = former.task if who.by.name == incoming.proposed_by else ""
    return replace(former, task=task, parents=tuple(_source(one, who) for one in step.parents))


def _source(parent: str, who: Who) -> str:
    name, _, number = parent.rpartition("@")
    return f"{artifact_id(who.organization, who.project, name)}@{number}"


def _ancestor(incoming: Version, standing: Version, states: dict[str, Artifact], who: Who) -> Version | None:
    """The version that both come from, as far as the artifacts at hand tell: what a merge is measured against."""
    known = {
        f"{artifact_id(who.organization, who.project, name)}@{version.number}": version
        for name, artifact in states.items()
        for version in artifact.versions
    }
    names = {id(version): name for name, version in known.items()}
    ours = _lineage(names[id(standing)], known)
    return next((known[one] for one in _lineage(names[id(incoming)], known) if one in ours), None)


def _lineage(own: str, known: dict[str, Version]) -> dict[str, None]:
    """A version and those that it continues, the nearest first: its parents, and what was active at its draft."""
    found, waiting = {own: None}, [own]
    while waiting:
        name = waiting.pop(0)
        version = known[name]
        base = f"{name.rpartition('@')[0]}@{version.base}"
        fresh = [one for one in (*version.content.provenance.parents, base) if one in known and one not in found]
        found |= dict.fromkeys(fresh)
        waiting += fresh
    return found
