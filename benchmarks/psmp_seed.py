"""Projects filled in bulk through the deciders, the fold and the writer of the service itself.

Every artifact declares three of a thousand packages and two paths, and all of them suit each other. Conflicts are not
looked for, since there are none by construction; everything else is what the service does, in larger shares. COPY is no
way in: PostgreSQL refuses it where row-level security holds.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref, Submission
from metaqore_ai_gateway.service.psmp.workspace import Workspace
from metaqore_governance_core.psmp import artifact
from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import Body, Content, Dependency, Provenance

PACKAGES: Final = 1_000
NEEDED: Final = 3
SHARE: Final = 1_000
"""Artifacts written in one transaction."""
EVENTS_EACH: Final = 3
BODY_BYTES: Final = 4096
BEGINNING_US: Final = 1_700_000_000_000_000
BOUNDS: Final = (">=1.2", ">=1.4,<3", "~=1.7", "!=1.5", "<2.5", ">=1.8", ">1.1,<=4", "==1.*")
"""How people bound a package: 1.9 suits them all."""

ANN, BOB = Actor("ann"), Actor("bob")
_FOLDERS: Final = 200
_BODIES: Final = """
insert into psmp_bodies (organization, digest, key_id, size_bytes, name, wrapped_key)
select $1, given.*, 'seeded' from unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) as given
"""


@dataclass(slots=True)
class Declarations:
    """What artifacts declare, one after another; with the same seed the same, and no path comes twice."""

    seed: str
    number: int = 0
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def next(self) -> tuple[str, Content]:
        """The next artifact's name and content."""
        self.number += 1
        number, folder = self.number, f"part{self.number % _FOLDERS:03}"
        name = f"artifact-{self._chance.randrange(10**8):08}-{number}"
        digest = self._chance.randbytes(32).hex()
        return name, Content(
            Body(digest, "key-1", "text/x-python", BODY_BYTES),
            paths=(f"src/{folder}/module{number}.py", f"tests/{folder}/test_module{number}.py"),
            dependencies=tuple(self._dependencies()),
            semantic_version="1.0.0",
            provenance=Provenance(agent="ann", model="stub", prompt=digest),
        )

    def _dependencies(self) -> Iterator[Dependency]:
        for package in self._chance.sample(range(PACKAGES), NEEDED):
            text = f"package-{package:03}{self._chance.choice(BOUNDS)}"
            yield Dependency("python", f"package-{package:03}", text)


@dataclass(slots=True)
class SeededProject:
    """A project that exists, and what is declared in it next."""

    store: PostgresProjectStore
    organization: str
    id: str
    declarations: Declarations

    async def fill(self, artifacts: int) -> None:
        """Add so many artifacts that are drafted, proposed and activated: `EVENTS_EACH` events each."""
        for begin in range(0, artifacts, SHARE):
            await self._write(await self.contents(min(SHARE, artifacts - begin)))

    async def contents(self, count: int) -> list[tuple[str, Content]]:
        """The names and contents of so many new artifacts, whose bodies are kept, as rows alone: nobody reads them."""
        contents = [self.declarations.next() for _ in range(count)]
        bodies = [content.body for _, content in contents]
        rows = [(one.digest, one.key_id, one.size_bytes, f"seeded-{one.digest}") for one in bodies]
        async with of_organization(self.store.pool, self.organization) as connection:
            await connection.execute(_BODIES, self.organization, *[list(column) for column in zip(*rows, strict=True)])
        return contents

    async def proposals(self, count: int) -> list[Submission]:
        """Proposals as a door submits them: a draft, and its offer."""
        return [self._proposal(*one) for one in await self.contents(count)]

    async def newest(self) -> int:
        """The project's version."""
        async with self.store.open(self.organization, self.id) as transaction:
            return transaction.version

    def _proposal(self, name: str, content: Content) -> Submission:
        ref = Ref(Kind.ARTIFACT, name)
        draft = commands.Draft(ANN, BEGINNING_US, self.organization, self.id, name, content)
        offer = commands.Propose(ANN, BEGINNING_US, NEWEST, ())
        return Submission(f"propose-{name}", self.organization, self.id, (Asked(ref, draft), Asked(ref, offer)))

    async def _write(self, share: Sequence[tuple[str, Content]]) -> None:
        async with self.store.open(self.organization, self.id) as transaction:
            workspace = Workspace(transaction, self.organization, self.id)
            await workspace.fetch([workspace.project_ref, *(Ref(Kind.ARTIFACT, name) for name, _ in share)])
            workspace.begin()
            for name, content in share:
                for command in self._life(name, content):
                    _, state = await workspace.artifact(name)
                    happened = artifact.decide(state, command, await workspace.project())
                    await workspace.record(Ref(Kind.ARTIFACT, name), happened)
            workspace.keep(f"seed-{transaction.version}")
            await transaction.write(workspace.changes({}))

    def _life(self, name: str, content: Content) -> Iterable[commands.Command]:
        yield commands.Draft(ANN, BEGINNING_US, self.organization, self.id, name, content)
        yield commands.Propose(ANN, BEGINNING_US, 1, ())
        yield commands.Activate(BOB, BEGINNING_US, 1, ())
