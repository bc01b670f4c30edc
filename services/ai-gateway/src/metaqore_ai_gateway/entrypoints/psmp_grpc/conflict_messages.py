"""Conflicts and what would end them, as protobuf messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from metaqore.psmp.v1 import common_pb2
from metaqore.psmp.v1 import conflict_pb2 as pb
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import CAUSES, CHOICES, SEVERITIES
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import timestamp
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict
from metaqore_governance_core.psmp.artifact_state import OpenConflict
from metaqore_governance_core.psmp.blocking_report import StuckItem, WayOut
from metaqore_governance_core.psmp.conflicts.model import Conflict, Party
from metaqore_governance_core.psmp.conflicts.ownership import is_lease
from metaqore_governance_core.psmp.resolution import Step, possible_choices

Owner = tuple[str, int]
"""An artifact's id and the number of a version."""

_NOBODY: Final[Owner] = ("", 0)


@dataclass(slots=True)
class Names:
    """Ids of the artifacts of a project by their names, each worked out once."""

    organization: str
    project: str
    _found: dict[str, str] = field(default_factory=dict)

    def id(self, name: str) -> str:
        """The artifact's id; empty for a task."""
        found = self._found.get(name)
        if found is None:
            task = is_lease(name)
            found = self._found[name] = "" if task else artifact_id(self.organization, self.project, name)
        return found


def conflict_message(conflict: Conflict, id_of: Callable[[str], str], project: str = "") -> pb.Conflict:
    """A conflict that is told, without whose it is and since when."""
    return pb.Conflict(
        id=conflict.id,
        type=conflict.type.value,
        severity=SEVERITIES[conflict.severity],
        key=conflict.key,
        parties=[_party(party, id_of) for party in conflict.parties],
        clashing=[_party(party, id_of) for party in conflict.clashing],
        suggestion=CHOICES[conflict.suggestion],
        explanation=conflict.explanation,
        choices=[CHOICES[choice] for choice in possible_choices(conflict)],
        project_id=project,
    )


def open_message(opened: OpenConflict, names: Names, owner: Owner = _NOBODY) -> pb.Conflict:
    """A conflict that stands, of the version `owner`."""
    message = conflict_message(opened.conflict, names.id, names.project)
    if opened.choice is not None:
        message.chosen = CHOICES[opened.choice]
    message.open_time.CopyFrom(timestamp(opened.since_us))
    message.artifact_id, message.version = owner
    return message


def found_message(found: FoundConflict, organization: str) -> pb.Conflict:
    """A conflict that was asked for, standing or gone."""
    message = open_message(found.opened, Names(organization, found.project), (found.artifact_id, found.number))
    if found.ended_us is not None:
        message.end_time.CopyFrom(timestamp(found.ended_us))
    return message


def answered_conflicts(answer: Answer, organization: str) -> Iterator[pb.Conflict]:
    """The conflicts of an answer, each with the version that it stops or warns where the answer has it."""
    if not answer.conflicts:
        return
    names = Names(organization, answer.project)
    owners = {
        opened.conflict.id: (known.id, version.number)
        for known in answer.changed
        if known.ref.kind is Kind.ARTIFACT
        for version in known.artifact.versions
        for opened in version.conflicts
    }
    for opened in answer.conflicts:
        yield open_message(opened, names, owners.get(opened.conflict.id, _NOBODY))


def ways_out(ways: Iterable[WayOut]) -> list[common_pb2.WayOut]:
    """Commands that help."""
    return [common_pb2.WayOut(command=way.command, who=way.who) for way in ways]


def stuck_message(item: StuckItem) -> pb.StuckItem:
    """Something that does not move."""
    return pb.StuckItem(
        item=item.item,
        cause=CAUSES[item.cause],
        why=item.why,
        since=timestamp(item.since_us),
        ways_out=ways_out(item.ways_out),
    )


def step_message(step: Step) -> pb.ResolutionStep:
    """A command that a resolution gives."""
    return pb.ResolutionStep(
        artifact=step.artifact, version=step.version, verb=step.verb, why=step.why, parents=step.parents
    )


def _party(party: Party, id_of: Callable[[str], str]) -> pb.Party:
    return pb.Party(
        artifact=party.artifact,
        version=party.version,
        by=party.by,
        declares=party.declares,
        artifact_id=id_of(party.artifact),
    )
