"""Conflicts as REST tells of them: who, what, and how to resolve."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict
from metaqore_governance_core.psmp.artifact_state import OpenConflict
from metaqore_governance_core.psmp.conflicts import model
from metaqore_governance_core.psmp.conflicts.ownership import is_lease
from metaqore_governance_core.psmp.resolution import possible_choices

ChoiceText = Literal["keep_existing", "take_incoming", "supersede", "manual", "merge"]
SeverityText = Literal["blocking", "warning"]


class Party(BaseModel):
    """One side: the artifact (or `task <id>`) and its version, who proposed it, and what it declares."""

    artifact: str
    artifact_id: str | None = Field(None, description="Null for a task.")
    version: int
    by: str
    declares: str


_FOUND: Final[dict[str, JsonValue]] = {
    "id": "conflict_3f0c1d2e4b5a69788796a5b4",
    "type": "python_versions",
    "severity": "blocking",
    "key": "python:numpy",
    "parties": [
        {"artifact": "api", "version": 1, "by": "alice", "declares": "numpy<2"},
        {"artifact": "model", "version": 1, "by": "bob", "declares": "numpy>=2"},
    ],
    "clashing": [
        {"artifact": "api", "version": 1, "by": "alice", "declares": "numpy<2"},
        {"artifact": "model", "version": 1, "by": "bob", "declares": "numpy>=2"},
    ],
    "suggestion": "keep_existing",
    "choices": ["keep_existing", "take_incoming", "manual", "supersede"],
    "explanation": "No version of numpy satisfies both.",
}
_STANDS: Final[dict[str, JsonValue]] = {**_FOUND, "since_us": 1_790_000_000_000_000, "chosen": "manual"}
"""What may be null has a value here: FastAPI drops nulls from examples."""
_LISTED: Final[dict[str, JsonValue]] = {
    **_STANDS,
    "project_id": "default",
    "artifact_id": "artifact_3f0c1d2e4b5a69788796a5b4c3",
    "artifact": "model",
    "version": 1,
    "ended_us": 1_790_000_600_000_000,
}


class Conflict(BaseModel):
    """What cannot stand together. The same clash, found again, has the same id."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FOUND]})

    id: str
    type: str = Field(description="Stable, such as `path_same` or `npm_peers`; new ones are added.")
    severity: SeverityText = Field(description="Whether it stops a version, or is only told.")
    key: str = Field(description="What it is about: a path, or a package in its environment.")
    parties: list[Party] = Field(description="All that share the key.")
    clashing: list[Party] = Field(description="A smallest part of them that already cannot stand together.")
    suggestion: ChoiceText = Field(description="What would end it best.")
    choices: list[ChoiceText] = Field(description="The choices that fit, the suggestion first.")
    explanation: str = Field(description="Who, what and how to resolve, for a person.")


class StandingConflict(Conflict):
    """A conflict that a version stands in."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STANDS]})

    since_us: int
    chosen: ChoiceText | None = Field(description="What was chosen to end it; null while nothing was.")


class ListedConflict(StandingConflict):
    """A conflict with the version that it stops or warns."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})

    project_id: str
    artifact_id: str
    artifact: str
    version: int
    ended_us: int | None = Field(description="When it was gone; null while it stands.")


class ConflictPage(BaseModel):
    """Conflicts, the longest open first. `next_page_token` is empty on the last page."""

    conflicts: list[ListedConflict]
    next_page_token: str


class Place(BaseModel):
    """The project that names of artifacts are of."""

    model_config = ConfigDict(frozen=True)

    organization: str
    project: str


def conflict_view(one: model.Conflict, place: Place | None = None) -> Conflict:
    """The conflict, its parties with their ids where the project is known."""
    return Conflict(**_fields(one, place))


def standing_view(one: OpenConflict, place: Place) -> StandingConflict:
    """The conflict with when it began and what was chosen."""
    return StandingConflict(**_fields(one.conflict, place), since_us=one.since_us, chosen=_chosen(one))


def listed_view(found: FoundConflict, organization: str) -> ListedConflict:
    """The conflict with where it stands."""
    place = Place(organization=organization, project=found.project)
    return ListedConflict(
        **_fields(found.opened.conflict, place),
        since_us=found.opened.since_us,
        chosen=_chosen(found.opened),
        project_id=found.project,
        artifact_id=found.artifact_id,
        artifact=found.artifact,
        version=found.number,
        ended_us=found.ended_us,
    )


def _fields(one: model.Conflict, place: Place | None) -> dict[str, object]:
    return {
        "id": one.id,
        "type": one.type.value,
        "severity": one.severity.value,
        "key": one.key,
        "parties": [_party(party, place) for party in one.parties],
        "clashing": [_party(party, place) for party in one.clashing],
        "suggestion": one.suggestion.value,
        "choices": [choice.value for choice in possible_choices(one)],
        "explanation": one.explanation,
    }


def _party(party: model.Party, place: Place | None) -> Party:
    known = place is not None and not is_lease(party.artifact)
    id_ = artifact_id(place.organization, place.project, party.artifact) if place is not None and known else None
    return Party(artifact=party.artifact, artifact_id=id_, version=party.version, by=party.by, declares=party.declares)


def _chosen(one: OpenConflict) -> ChoiceText | None:
    return None if one.choice is None else one.choice.value
