"""Which version was made from which, and which texts versions name, as events tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from metaqore_ai_gateway.adapters.psmp.body_rows import ERASE_BODIES
from metaqore_ai_gateway.adapters.psmp.changed_rows import artifact_in, columns_of, texts_named
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.ports import Changes
from metaqore_governance_core.psmp.artifact_events import Amended, Drafted
from metaqore_governance_core.psmp.artifact_state import Provenance

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_FORGET: Final = """
delete from psmp_provenance where organization = $1 and project = $2 and made = any ($3::text[])
    and (made, number) in (select * from unnest($3::text[], $4::integer[]))
"""
_MADE: Final = """
insert into psmp_provenance (organization, project, made, number, source, source_number, relation)
select distinct $1, $2, given.* from unnest(
    $3::text[], $4::integer[], $5::text[], $6::integer[], $7::text[]
) as given
"""
# In order, as whoever changes several of them at once does.
_USE_BODIES: Final = """
with unused as materialized (
    select digest from psmp_bodies where organization = $1 and digest = any ($2::text[]) and not is_used
    order by digest for no key update
)
update psmp_bodies set is_used = true where organization = $1 and digest in (select digest from unused)
"""
_SOURCE: Final = re.compile(r"(?P<artifact>.+)@(?P<number>[1-9][0-9]{0,8})", re.DOTALL)
_ARTIFACT_ID: Final = re.compile(r"artifact_[a-z2-7]{26}")

Edge: TypeAlias = tuple[str, int, str]
"""A source: the id of its artifact, its number, and `input` or `parent`."""


@dataclass(frozen=True, slots=True)
class ProvenanceWrites:
    """Writes of one project on one connection."""

    connection: Connection
    organization: str
    project: str

    async def everything(self, changes: Changes) -> None:
        """What `changes` say of sources and texts."""
        drafted: dict[tuple[str, int], None] = {}
        amended: dict[tuple[str, int], None] = {}
        for one in changes.events:
            name, event = one.happened.of.id, one.happened.event
            match event:
                case Drafted():
                    drafted[name, event.version] = None
                case Amended():
                    amended[name, event.version] = None
                case _:
                    pass
        if amended:
            rows = [(artifact_id(self.organization, self.project, name), number) for name, number in amended]
            await self._run(_FORGET, *columns_of(rows))
        await self._make([*drafted, *(one for one in amended if one not in drafted)], changes)
        if changes.erased:
            await self.connection.execute(ERASE_BODIES, self.organization, list(changes.erased))

    async def _make(self, made: list[tuple[str, int]], changes: Changes) -> None:
        if not made:
            return
        contents = {
            (name, number): artifact_in(changes.aggregates, name).versions[number - 1].content for name, number in made
        }
        rows = [
            (artifact_id(self.organization, self.project, name), number, *edge)
            for (name, number), content in contents.items()
            for edge in edges_of(self.organization, self.project, content.provenance)
        ]
        if rows:
            await self._run(_MADE, *columns_of(rows))
        if named := texts_named(changes):
            await self.connection.execute(_USE_BODIES, self.organization, named)

    async def _run(self, statement: str, *columns: list[object]) -> None:
        await self.connection.execute(statement, self.organization, self.project, *columns)


def edges_of(organization: str, project: str, provenance: Provenance) -> Iterator[Edge]:
    """The sources of a version. An artifact is named by its id, or by its name where it is in the same project."""
    for relation, texts in (("input", provenance.inputs), ("parent", provenance.parents)):
        for text in texts:
            found = _SOURCE.fullmatch(text)
            if found is not None:
                artifact = found["artifact"]
                is_id = _ARTIFACT_ID.fullmatch(artifact) is not None
                source = artifact if is_id else artifact_id(organization, project, artifact)
                yield source, int(found["number"]), relation
