"""What a first answer told beside what the command changed, for its repeat."""

from __future__ import annotations

from dataclasses import dataclass, replace

from metaqore_ai_gateway.service.psmp.asked import Outcome
from metaqore_ai_gateway.service.psmp.cascade import ended_of
from metaqore_ai_gateway.service.psmp.governed import Answer, Given, actor_of
from metaqore_ai_gateway.service.psmp.ids import checkpoint_id
from metaqore_ai_gateway.service.psmp.places import Places
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.resolve_conflict import PlanResolution
from metaqore_ai_gateway.service.psmp.restore import RestoreCheckpoint, Restored, made_undone
from metaqore_ai_gateway.service.psmp.target import Target
from metaqore_ai_gateway.service.psmp.translate import Who
from metaqore_governance_core.contracts.psmp_commands import ResolveConflict, TakeCheckpoint
from metaqore_governance_core.contracts.psmp_commands import RestoreCheckpoint as Restore
from metaqore_governance_core.contracts.psmp_project_commands import ArchiveProject


@dataclass(frozen=True, slots=True)
class TellAgain:
    """Nothing of it is kept: it follows from the history, and that never changes."""

    places: Places
    resolution: PlanResolution
    restore: RestoreCheckpoint

    async def __call__(self, answer: Answer, outcome: Outcome, given: Given, target: Target) -> Answer:
        """The whole first answer to the command that led to `outcome`."""
        before = outcome.happened[0].version - 1 if outcome.happened else outcome.version
        who = Who(actor_of(given.caller), 0, given.caller.organization, target.project)
        match given.command:
            case TakeCheckpoint() as take:
                taken = checkpoint_id(who.organization, who.project, take.checkpoint_name)
                found = await self.places.checkpoint_at(who.organization, taken)
                return replace(answer, checkpoint=None if found is None else found[1])
            case Restore() as restore if target.checkpoint is not None:
                point = AtVersion(target.checkpoint.version)
                wanted = Restored(answer.receipt, who.organization, who.project, point, who.by, who.at_us, restore.why)
                differences, conflicts = await self.restore.made(wanted, outcome, before)
                return replace(answer, differences=made_undone(differences), conflicts=conflicts)
            case ResolveConflict() as resolve if target.conflict is not None:
                return replace(answer, steps=await self.resolution.told(resolve, target.conflict, who, before))
            case ArchiveProject(cascade=True):
                return replace(answer, ended=ended_of(answer))
            case _:
                return answer
