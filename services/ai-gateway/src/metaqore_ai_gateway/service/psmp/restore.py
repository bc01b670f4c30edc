"""Restoring a checkpoint: new versions with the bodies of then, in one submission that is shown before it is made.

The mesh itself drafts and proposes what was active once; who restores activates it, so that an approval or a veto rule
of the project stays in force. What is restored is judged against what is active; proposals that clash are blocked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Outcome, Ref, Repeatable, Submission
from metaqore_ai_gateway.service.psmp.erased_bodies import Erasures
from metaqore_ai_gateway.service.psmp.history_ports import History
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.points import Difference, Point
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.standing import Holder
from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp.actor import SYSTEM, Actor
from metaqore_governance_core.psmp.artifact_events import Blocked
from metaqore_governance_core.psmp.artifact_state import Artifact, OpenConflict, Phase, Version
from metaqore_governance_core.psmp.conflicts.model import Choice
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.refusal import conflict, forbidden

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """Who restores what, when (microseconds since the Unix epoch), and why.

    `id` names the submission, and `receipt_token` is the receipt of its command.
    """

    id: str
    organization: str
    project: str
    point: Point
    by: Actor
    at_us: int
    why: str
    receipt_token: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do to the project at `version`: `differences` lead from then to now.

    `would_block` are the proposals of others that clash with what comes back, and `conflicts` those that they clash in.
    """

    version: int
    to: int
    differences: tuple[Difference, ...]
    would_block: tuple[Holder, ...]
    conflicts: tuple[OpenConflict, ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class RestoreCheckpoint:
    """Show a restore, or make it."""

    history: History
    queues: ProjectQueues
    erasures: Erasures

    async def plan(self, wanted: Restored) -> Plan:
        """What it would do now.

        Raises `bodies_erased` where a body of then is gone for good, and `own_proposal` where who restores wrote it.
        """
        of = (wanted.organization, wanted.project)
        version = await self.history.newest(*of)
        to = await self.history.version_at(*of, wanted.point)
        found = tuple([one async for one in self._differing(wanted, to, version)])
        await self._check_bodies(wanted, found)
        await self._check_own(wanted, found, version)
        offered = (*_ended(found, wanted), *_offered(found, wanted))
        shown = await self.queues.submit(_submission(wanted, offered, version, dry_run=True))
        accepted = _accepted(found, shown, wanted)
        blocked = _all_blocked(shown, found)
        return Plan(version, to, found, blocked, _conflicts(shown, blocked), (*offered, *accepted))

    async def made(
        self, wanted: Restored, outcome: Outcome, version: int
    ) -> tuple[tuple[Difference, ...], tuple[OpenConflict, ...]]:
        """What a restore at this version changed, and the conflicts of those that it blocked, as its plan had it."""
        to = await self.history.version_at(wanted.organization, wanted.project, wanted.point)
        found = tuple([one async for one in self._differing(wanted, to, version)])
        return found, _conflicts(outcome, _all_blocked(outcome, found))

    async def __call__(
        self, wanted: Restored, *, shown_at: int | None = None, repeatable: Repeatable | None = None
    ) -> Outcome:
        """Make it. Raises `version_stale` where the project is no longer at the version of the plan that was shown."""
        plan = await self.plan(wanted)
        if shown_at is not None:
            plan = replace(plan, version=shown_at)
        return await self.make(wanted, plan, repeatable)

    async def make(
        self, wanted: Restored, plan: Plan, repeatable: Repeatable | None = None, *, dry_run: bool = False
    ) -> Outcome:
        """Make what the plan says. Raises `version_stale` where the project is no longer at its version."""
        return await self.queues.submit(
            replace(_submission(wanted, plan.asked, plan.version, dry_run=dry_run), repeatable=repeatable)
        )

    async def _check_bodies(self, wanted: Restored, found: Iterable[Difference]) -> None:
        """A body may be erased through another version that has the same."""
        back = {one.name: then.content.body.digest for one in found if (then := one.active[0]) is not None}
        erased = await self.erasures.erased(wanted.organization, set(back.values())) if back else {}
        gone = [one.name for one in found if one.name in back and (_erased(one) or back[one.name] in erased)]
        if gone:
            raise conflict(
                "bodies_erased",
                f"Bodies of then are erased and cannot come back: {_listed(gone)}.",
                reasons=tuple(gone),
            )

    async def _check_own(self, wanted: Restored, found: Iterable[Difference], version: int) -> None:
        """To bring one's own text back would be to activate it."""
        own = [one.name for one in found if (then := one.active[0]) is not None and wanted.by.name in then.authors]
        if not own:
            return
        ref = Ref(Kind.PROJECT, wanted.project)
        state = await self.history.state(wanted.organization, wanted.project, version, ref)
        if not isinstance(state, Project) or not state.policy.may_activate_own:
            raise forbidden(
                "own_proposal",
                f"You wrote what would come back: {_listed(own)}. Ask someone else to restore it.",
                reasons=tuple(own),
            )

    async def _differing(self, wanted: Restored, low: int, high: int) -> AsyncIterator[Difference]:
        after: str | None = ""
        while after is not None:
            page = await self.history.differences(wanted.organization, wanted.project, low, high, after=after)
            for one in page.found:
                if _content(one.active[0]) != _content(one.active[1]):
                    yield one
            after = page.after


def made_undone(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """What a restore changes: from what is now to what was then."""
    return tuple(Difference(one.name, one.after, one.before) for one in found)


def _content(version: Version | None) -> object:
    """What counts of a version: a restored one has other parents than the one of then."""
    if version is None:
        return None
    return replace(version.content, provenance=replace(version.content.provenance, parents=()))


def _erased(one: Difference) -> bool:
    then = one.active[0]
    return then is not None and one.after.versions[then.number - 1].erased


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")


def _ended(found: Iterable[Difference], wanted: Restored) -> Iterable[Asked]:
    """First everything ends that is not as it was, so that nothing of it is in the way."""
    for one in found:
        now = one.active[1]
        if now is not None:
            yield Asked(_ref(one), commands.Deprecate(wanted.by, wanted.at_us, now.number, wanted.why))


def _offered(found: Iterable[Difference], wanted: Restored) -> Iterable[Asked]:
    for one in found:
        then = one.active[0]
        if then is None:
            continue
        parent = f"{artifact_id(wanted.organization, wanted.project, one.name)}@{then.number}"
        provenance = replace(then.content.provenance, parents=(parent,))
        content = replace(then.content, provenance=provenance)
        of = (wanted.organization, wanted.project, one.name)
        yield Asked(_ref(one), commands.Draft(SYSTEM, wanted.at_us, *of, content, then.authors - {SYSTEM.name}))
        yield Asked(_ref(one), commands.Propose(SYSTEM, wanted.at_us, NEWEST, ()))


def _accepted(found: Iterable[Difference], shown: Outcome, wanted: Restored) -> Iterable[Asked]:
    """Who restores answers for the warnings, and activates."""
    for one in found:
        if one.active[0] is None:
            continue
        state = shown.states[_ref(one)]
        assert isinstance(state, Artifact)  # noqa: S101 - what its kind says
        for open_ in state.versions[-1].warnings:
            id_ = open_.conflict.id
            yield Asked(_ref(one), commands.Resolve(wanted.by, wanted.at_us, NEWEST, id_, Choice.MANUAL, wanted.why))
        yield Asked(_ref(one), commands.Activate(wanted.by, wanted.at_us, NEWEST, ()))


def _all_blocked(shown: Outcome, found: Collection[Difference]) -> tuple[Holder, ...]:
    return tuple(sorted({*_blocked(shown, {one.name for one in found}), *_rivals(found)}))


def _blocked(shown: Outcome, own: set[str]) -> tuple[Holder, ...]:
    stopped = {Holder(one.of.id, one.event.version) for one in shown.happened if isinstance(one.event, Blocked)}
    return tuple(sorted(one for one in stopped if one.party not in own and _is_blocked(shown, one)))


def _rivals(found: Iterable[Difference]) -> Iterable[Holder]:
    """Proposals of what comes back: their authors did not know that it would."""
    for one in found:
        if one.active[0] is not None:
            yield from (Holder(one.name, each.number) for each in one.after.versions if each.phase is Phase.PROPOSED)


def _conflicts(shown: Outcome, blocked: Iterable[Holder]) -> tuple[OpenConflict, ...]:
    found: dict[str, OpenConflict] = {}
    for holder in blocked:
        state = shown.states.get(Ref(Kind.ARTIFACT, holder.party))
        if isinstance(state, Artifact):
            found.update({one.conflict.id: one for one in state.versions[holder.number - 1].blocking})
    return tuple(found.values())


def _is_blocked(shown: Outcome, holder: Holder) -> bool:
    state = shown.states[Ref(Kind.ARTIFACT, holder.party)]
    return isinstance(state, Artifact) and state.versions[holder.number - 1].phase is Phase.BLOCKED


def _ref(one: Difference) -> Ref:
    return Ref(Kind.ARTIFACT, one.name)


def _submission(wanted: Restored, asked: Iterable[Asked], expected: int, *, dry_run: bool) -> Submission:
    return Submission(
        wanted.id,
        wanted.organization,
        wanted.project,
        tuple(asked),
        dry_run=dry_run,
        over_proposals=True,
        expected=expected,
        receipt_token=wanted.receipt_token,
    )
