"""A migrated database of its own for each test, with the roles that an administrator makes for PSMP."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from contextlib import asynccontextmanager

import asyncpg
import pytest

from metaqore_ai_gateway.adapters.psmp.catalog import PostgresCatalog
from metaqore_ai_gateway.adapters.psmp.checkpoints import PostgresCheckpoints
from metaqore_ai_gateway.adapters.psmp.conflict_reads import PostgresConflicts
from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.provenance import PostgresProvenance
from metaqore_ai_gateway.adapters.psmp.replay import PostgresReplay
from metaqore_ai_gateway.adapters.psmp.roles import prepare_roles
from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref, Repeatable, Submission
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.readings import ProjectReadings
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import project
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import Body, Content, Dependency, Provenance
from metaqore_governance_core.psmp.project import Mode, ProjectPolicy
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import make_databases, make_working_roles, with_database, working_roles
from metaqore_mesh.objects import Body as SealedBody


def database_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


@pytest.fixture
async def roles(postgres_url, database_url):
    """Makes both roles as an administrator; gone again before the database is."""
    name = database_of(database_url)
    async with working(postgres_url, name, owner=name) as made:
        yield made


@asynccontextmanager
async def working(postgres_url, name, owner):
    await make_working_roles(postgres_url, name, owner=owner)
    admin = await asyncpg.connect(with_database(postgres_url, name))
    yield working_roles(name)
    for role in working_roles(name):
        await admin.execute(f'drop owned by "{role}"')
        await admin.execute(f'drop role "{role}"')
    await admin.close()


@pytest.fixture(scope="session")
def template(postgres_url):
    """The name of a database with all tables and no rows, to be copied: that takes a tenth of migrating anew."""
    name, password = f"template_{secrets.token_hex(6)}", secrets.token_hex(8)

    async def make():
        await make_databases(postgres_url, [name], password=password)
        await migrate(owned(postgres_url, name, password), "metaqore_ai_gateway.migrations")
        admin = await asyncpg.connect(postgres_url)
        await admin.execute(f'alter database "{name}" owner to current_user')
        await admin.close()

    asyncio.run(make())
    return name


@pytest.fixture
async def psmp_url(postgres_url, template):
    """A copy for one test, its owner's like every database."""
    name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(8)
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create role \"{name}\" login nosuperuser nocreatedb nocreaterole password '{password}'")
    await admin.execute(f'create database "{name}" template "{template}" owner "{name}"')
    copy = await asyncpg.connect(with_database(postgres_url, name))
    await copy.execute(f'reassign owned by "{template}" to "{name}"')
    await copy.close()
    async with working(postgres_url, name, name):
        yield owned(postgres_url, name, password)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.execute(f'drop role "{name}"')
    await admin.close()


def owned(url, name, password):
    """The database `name`, for its owner."""
    scheme, _, rest = with_database(url, name).partition("://")
    return f"{scheme}://{name}:{password}@{rest.rpartition('@')[2]}"


@pytest.fixture
async def pool(psmp_url):
    async with open_pool(psmp_url, name="test", size=8) as pool:
        await prepare_roles(pool)
        yield pool


@pytest.fixture
async def kept_bodies(pool):
    """The rows of bodies, with the texts that the tests' versions name."""
    kept = PostgresKeptBodies(pool)
    for organization in ("acme", "other"):
        for body in (sealed(organization, letter * 64) for letter in "0123456789abcdef"):
            await kept.keep(body, Sensitivity.PUBLIC)
    return kept


def sealed(organization, digest, name=None, key=b"wrapped"):
    return SealedBody(organization, Commitment(digest, "key-1", 3), name or f"bodies/{organization}/{digest}", key)


@pytest.fixture
def store(pool, kept_bodies):
    assert kept_bodies
    return PostgresProjectStore(pool)


@pytest.fixture
async def team(store):
    """A project `garden` of the organization `acme`, and a hand that gives commands in it."""
    team = Team(ProjectQueues(store))
    await team.create()
    return team


ANN, BOB, EVE = Actor("ann"), Actor("bob"), Actor("eve", frozenset({"reviewer"}))


class Team:
    """Gives commands to one project."""

    ann, bob, eve = ANN, BOB, EVE

    def __init__(self, queues, organization="acme", project="garden"):
        self.queues, self.organization, self.project = queues, organization, project
        self.clock = itertools.count(1_700_000_000_000_000)

    def submission(self, *asked, key=None, body=b"body", dry_run=False, over_proposals=False):
        repeatable = None if key is None else Repeatable(key, body)
        id_ = f"command-{next(self.clock)}"
        return Submission(
            id_, self.organization, self.project, asked, repeatable, dry_run=dry_run, over_proposals=over_proposals
        )

    async def do(self, *asked, **options):
        return await self.queues.submit(self.submission(*asked, **options))

    def asked_create(self, name=None, policy=None, mode=Mode.STRICT):
        policy = policy or ProjectPolicy()
        command = project.Create(
            ANN, next(self.clock), self.project, self.organization, name or self.project, mode, policy
        )
        return Asked(Ref(Kind.PROJECT, self.project), command)

    async def create(self, **options):
        return await self.do(self.asked_create(**options))

    def ask(self, name, class_, *rest, by=ANN, version=NEWEST):
        return Asked(Ref(Kind.ARTIFACT, name), class_(by, next(self.clock), version, *rest))

    def draft(self, name, *, by=ANN, **declared):
        command = c.Draft(by, next(self.clock), self.organization, self.project, name, content(**declared))
        return Asked(Ref(Kind.ARTIFACT, name), command)

    def proposal(self, name, *, by=ANN, **declared):
        return self.draft(name, by=by, **declared), self.ask(name, c.Propose, (), by=by)

    async def propose(self, name, *, by=ANN, **declared):
        return await self.do(*self.proposal(name, by=by, **declared))

    async def activate(self, name, *, by=BOB, version=NEWEST):
        return await self.do(self.ask(name, c.Activate, (), by=by, version=version))

    async def stand(self, name, **declared):
        await self.propose(name, **declared)
        return await self.activate(name)

    def content(self, **declared):
        return content(**declared)

    async def state(self, store, name, kind=Kind.ARTIFACT):
        async with store.open(self.organization, self.project) as opened:
            found = await opened.aggregates([Ref(kind, name)])
        return found[Ref(kind, name)].state

    def phase(self, outcome, name, number=NEWEST):
        versions = outcome.states[Ref(Kind.ARTIFACT, name)].versions
        return versions[(number or len(versions)) - 1].phase


@pytest.fixture
def team_of(store):
    return lambda **of: Team(ProjectQueues(store), **of)


def content(*, body="d", paths=(), needs=(), task="", environment="", inputs=(), parents=()):
    return Content(
        Body(body * 64, "key-1", "text/plain", 3),
        paths=tuple(paths),
        dependencies=tuple(
            one if isinstance(one, Dependency) else Dependency("python", one.partition("=")[0].rstrip("<>~!"), one)
            for one in needs
        ),
        environment=environment,
        provenance=Provenance(task=task, inputs=tuple(inputs), parents=tuple(parents)),
    )


class KeptTexts:
    """Texts by their addresses, each of one piece; their rows tell which are erased."""

    def __init__(self, rows):
        self.erased = rows.erased

    async def read(self, organization, digest, offset=0):
        yield f"{organization} {digest[:1]}".encode()[offset:]


@pytest.fixture
def readings(pool):
    return ProjectReadings(
        PostgresCatalog(pool),
        PostgresHistory(pool),
        PostgresConflicts(pool),
        PostgresProvenance(pool),
        PostgresCheckpoints(pool),
        PostgresReplay(pool),
        KeptTexts(PostgresKeptBodies(pool)),
        lambda: 1_800_000_000_000_000,
    )


@pytest.fixture
def ann():
    return Caller("key-ann", "acme", "ann", frozenset({Scope.PSMP_READ}))


@pytest.fixture
def stranger():
    return Caller("key-zed", "other", "zed", frozenset({Scope.PSMP_READ}))


@pytest.fixture
def history(pool):
    return PostgresHistory(pool)


@pytest.fixture
def checkpoints(pool):
    return PostgresCheckpoints(pool)


@pytest.fixture
def two_days_pass(postgres_url, psmp_url):
    """For the rows of a table, as an administrator alone can make them."""

    async def passed(table, column):
        admin = await asyncpg.connect(with_database(postgres_url, database_of(psmp_url)))
        await admin.execute(f"update {table} set {column} = now() - interval '2 days'")  # noqa: S608 - constants only
        await admin.close()

    return passed
