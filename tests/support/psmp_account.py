"""What a mesh keeps of PSMP, held against what its callers were told."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.relay import relayed
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_state
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref, State
from metaqore_ai_gateway.service.psmp.folding import beginning, evolve
from metaqore_ai_gateway.service.psmp.ids import artifact_id, checkpoint_id
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_governance_core.psmp.artifact_state import Artifact, Phase
from metaqore_governance_core.receipts import parse_token
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import GATEWAY
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres
from metaqore_mesh.objects import DirectoryObjects, collect_orphans
from metaqore_mesh.run_directory import RunDirectory
from psmp_doors import Order, RestDoor, Told
from psmp_load import REVIEWER, Ledger

_EVENTS = """
select organization, project, version, kind, aggregate, aggregate_version, type, schema, body, command, recorded_us
from psmp_events where organization = $1 order by project, version
"""
_EFFECTS = {
    "activate": "artifact.Activated",
    "create": "project.ProjectCreated",
    "erase_body": "artifact.BodyErased",
    "resolve": "artifact.ResolutionChosen",
}
_LIMIT_BYTES = 1 << 30

Place = tuple[str, Ref]


@dataclass
class Kept:
    """All that the database has of an organization, and what its events fold to."""

    organization: str
    events: list[Relayed] = field(default_factory=list)
    projects: dict[str, int] = field(default_factory=dict)
    states: dict[Place, State] = field(default_factory=dict)
    active: list[tuple[str, str]] = field(default_factory=list)
    checkpoints: dict[str, int] = field(default_factory=dict)
    folded: dict[Place, State] = field(default_factory=dict)

    @property
    def artifacts(self) -> Iterable[tuple[str, str, Artifact]]:
        """Each with its project and its name."""
        return ((of, ref.id, state) for (of, ref), state in self.folded.items() if isinstance(state, Artifact))


async def kept_of(run: RunDirectory, organization: str) -> Kept:
    """Read it as the administrator, whom no wall keeps out."""
    connection = await asyncpg.connect(EmbeddedPostgres(run.postgres).url(GATEWAY, role=ADMIN))
    kept = Kept(organization)
    try:
        for row in await connection.fetch("select * from psmp_projects where organization = $1", organization):
            kept.projects[row["project"]] = row["version"]
        for row in await connection.fetch("select * from psmp_aggregates where organization = $1", organization):
            ref = Ref(Kind(row["kind"]), row["aggregate"])
            kept.states[row["project"], ref] = decode_state(ref.kind, row["state"])
        for row in await connection.fetch("select * from psmp_checkpoints where organization = $1", organization):
            kept.checkpoints[row["id"]] = row["version"]
        query = "select project, artifact from psmp_versions where organization = $1 and phase = 'active'"
        kept.active = [(row["project"], row["artifact"]) for row in await connection.fetch(query, organization)]
        kept.events = [relayed(row) for row in await connection.fetch(_EVENTS, organization)]
    finally:
        await connection.close()
    for one in kept.events:
        place = (one.project, one.of)
        kept.folded[place] = evolve(kept.folded.get(place) or beginning(one.of.kind), one.happened.event)
    return kept


def check_history(kept: Kept) -> None:
    """No version is missing, what is kept beside the events is what they fold to, and one of a name is active."""
    versions: defaultdict[str, list[int]] = defaultdict(list)
    for one in kept.events:
        versions[one.project].append(one.version)
    assert versions.keys() == kept.projects.keys()
    for project, found in versions.items():
        assert found == list(range(1, kept.projects[project] + 1)), f"versions of {project} have a gap"
    assert kept.folded == kept.states
    actives = [
        (project, name)
        for project, name, artifact in kept.artifacts
        for version in artifact.versions
        if version.phase is Phase.ACTIVE
    ]
    assert len(set(actives)) == len(actives)
    assert sorted(actives) == sorted(kept.active)


def check_commands(kept: Kept, ledger: Ledger) -> None:
    """What was told to be done happened once and whole, and nothing happened that nobody was told."""
    caused: defaultdict[str, list[Relayed]] = defaultdict(list)
    for one in kept.events:
        caused[one.command].append(one)
    receipts = {parse_token(told.receipt_token).id: (order, told) for order, told in ledger.told.items()}
    assert len(receipts) == len(ledger.told), "two commands were answered with one receipt"
    untold = caused.keys() - receipts.keys()
    assert not untold, f"{len(untold)} commands happened that nobody was told of: {[caused[one] for one in untold][:2]}"
    for receipt, (order, told) in receipts.items():
        _check_command(order, told, caused.get(receipt, ()))
    taken = {
        checkpoint_id(kept.organization, order.project, order.fields["checkpoint_name"]): told.version
        for order, told in ledger.done.items()
        if order.fields["name"] == "checkpoint.take"
    }
    assert taken == kept.checkpoints


def _check_command(order: Order, told: Told, events: Sequence[Relayed]) -> None:
    name, verb = order.fields["name"], order.fields["name"].partition(".")[2]
    if told.code != "done" or name == "checkpoint.take":
        assert not events, f"{order} was told {told.code} and left events"
        return
    versions = [one.version for one in events]
    assert versions == list(range(versions[0], versions[0] + len(versions))), f"{order} is torn apart"
    assert versions[-1] == told.version, f"{order} was told {told.version} and led to {versions[-1]}"
    counts = Counter(one.name for one in events)
    if verb == "propose":
        names = [one["created"]["artifact_name"] for one in order.fields["proposals"]]
        for step in ("artifact.Drafted", "artifact.Proposed"):
            assert sorted(one.of.id for one in events if one.name == step) == sorted(names), f"{order}"
    elif verb == "restore":
        assert counts["artifact.Drafted"] == counts["artifact.Activated"] == 1, f"{order}: {counts}"
    else:
        [effect] = [one for one in events if one.name == _EFFECTS[verb]]
        assert verb == "create" or effect.aggregate_id == order.fields["artifact"], f"{order}: {counts}"


def check_records(kept: Kept, ledger: Ledger, records: Iterable[Mapping[str, Any]]) -> None:
    """Everything that was told is on record, permitted, before its effect; so is everything that happened."""
    commands = [one for one in records if one["kind"] == "command"]
    by_receipt = {one["receipt"]: one for one in commands}
    assert len(by_receipt) == len(commands)
    for order, told in ledger.told.items():
        record = by_receipt[parse_token(told.receipt_token).id]
        tool, _, verb = order.fields["name"].partition(".")
        assert (record["tool"], record["verb"]) == (f"psmp.{tool}", verb)
        assert (record["verdict"], record["personal"]["caller_name"]) == ("permit", order.who)
    for one in kept.events:
        record = by_receipt[one.command]
        assert (record["verdict"], record["project"]) == ("permit", one.project)
        assert record["time_us"] <= one.recorded_us, f"{one.id} is older than its record"


async def check_bodies(kept: Kept, ledger: Ledger, rest: RestDoor) -> int:
    """Every text that a version names is there as it was given, or erased and nowhere; gives how many are there."""
    versions = [(project, name, version) for project, name, artifact in kept.artifacts for version in artifact.versions]
    texts: dict[str, str] = {}
    for project, name, version in versions:
        given = ledger.texts.get((project, f"{name}@{version.number}"))
        if given is not None:
            texts[version.content.body.digest] = given
    for project, name, version in versions:
        assert version.erased == ((project, f"{name}@{version.number}") in ledger.erased)
        text = await rest.read(REVIEWER, artifact_id(kept.organization, project, name), version.number)
        wanted = None if version.erased else texts[version.content.body.digest].encode()
        assert text == wanted, f"{project} {name}@{version.number} is not what was given"
    return sum(not version.erased for _, _, version in versions)


async def check_objects(run: RunDirectory) -> tuple[int, int]:
    """After the collector no object is there without a row, and no row without its object, unless it has the text.

    Gives how many objects there are, and how many rows with a text.
    """
    objects = await DirectoryObjects.open(run.objects, limit_bytes=_LIMIT_BYTES)
    url = EmbeddedPostgres(run.postgres).url(GATEWAY)
    async with open_pool(url, name="test", size=1) as pool:
        await collect_orphans(objects, PostgresKeptBodies(pool), older_than_s=0)
    connection = await asyncpg.connect(EmbeddedPostgres(run.postgres).url(GATEWAY, role=ADMIN))
    try:
        rows = await connection.fetch("select name, sealed is null as is_object, wrapped_key from psmp_bodies")
    finally:
        await connection.close()
    stored = {one.name async for one in objects.list()}
    assert stored == {row["name"] for row in rows if row["is_object"] and row["wrapped_key"] is not None}
    small = [row for row in rows if not row["is_object"]]
    assert all(row["wrapped_key"] is not None for row in small), "an erased text is still in its row"
    return len(stored), len(small)


def check_topic(kept: Kept, values: Sequence[bytes], *, since_us: int) -> int:
    """Every event that was recorded since then came at least once, and none before the one in front of it.

    Gives how often one came again.
    """
    places: defaultdict[str, int] = defaultdict(int)
    seen: dict[tuple[str, int], dict[str, Any]] = {}
    for one in map(json.loads, values):
        project, version = one["project"], one["version"]
        first = project not in places
        assert first or version <= places[project] + 1, f"{project}: {version} came after {places[project]}"
        places[project] = version
        assert seen.setdefault((project, version), one) == one, f"{project}@{version} came as another"
    missing = [one.id for one in kept.events if one.recorded_us >= since_us and (one.project, one.version) not in seen]
    assert not missing, f"{len(missing)} events did not come to the topic: {missing[:5]}"
    for one in kept.events:
        came = seen.get((one.project, one.version))
        assert came is None or (came["name"], came["receipt"], came["id"]) == (one.name, one.receipt, one.aggregate_id)
    return len(values) - len(seen)
