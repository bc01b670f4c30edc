"""Governed commands on a real database, object store and spool; only the model is missing."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.psmp.project_names import PostgresProjectNames
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.bootstrap_core import open_core
from metaqore_ai_gateway.bootstrap_psmp import Stores, open_psmp
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError, Given
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.contracts.psmp import CommandSubmitted
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Door, Scope
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import make_databases, make_working_roles, with_database
from metaqore_mesh.objects import ObjectSettings
from metaqore_mesh.run_directory import RunDirectory

ALL = frozenset({*DEFAULT_SCOPES, Scope.PSMP_MODE, Scope.PSMP_ERASE})
CALLERS = {
    "ann": Caller("key_1", "", "ann", ALL),
    "bob": Caller("key_2", "", "bob", ALL),
    "carl": Caller("key_3", "", "carl", frozenset(DEFAULT_SCOPES)),
    "eve": Caller("key_4", "", "eve", frozenset({*ALL, "role:reviewer"})),
    "mallory": Caller("key_5", "", "mallory", ALL),
    "reader": Caller("key_7", "", "reader", frozenset({Scope.PSMP_READ})),
    "forbidden": Caller("key_6", "", "forbidden", ALL),
}
CONFIG = """
default_model: m
allowpaths:
  - {effect: allow, caller: "*", tool: "psmp.*", verb: "*"}
  - {effect: forbid, caller: forbidden, tool: psmp.artifact, verb: "*"}
providers: [{name: local, kind: inference, locality: local}]
models: [{name: m, routes: [{provider: local, model: m}]}]
labels: {projects: {payroll: SENSITIVE}}
"""


@dataclass
class World:
    psmp: object
    core: object
    run: RunDirectory
    organization: str
    project: str = ""
    answers: list = field(default_factory=list)
    pool: object = None

    async def do(self, who, name, *, project=None, key="", dry_run=False, raw=b"raw", **fields):
        """Give a command as it travels."""
        command = CommandSubmitted.model_validate({"command": {"name": name, **fields}}).command
        in_project = self.project if project is None else project
        given = Given(self.caller(who), Door.REST, command, in_project, key, dry_run, None, raw)
        answer = await self.psmp.gate(given)
        self.answers.append(answer)
        return answer

    async def refused(self, who, name, **fields):
        with pytest.raises(CommandRefusedError) as refused:
            await self.do(who, name, **fields)
        return refused.value

    async def propose(self, who, *names, refuse_blocked=False, dry_run=False, key="", **more):
        proposals = [{"created": new_version(name, **more)} for name in names]
        return await self.do(
            who, "artifact.propose", proposals=proposals, refuse_blocked=refuse_blocked, dry_run=dry_run, key=key
        )

    async def records(self):
        found = []
        if self.core.spool.durable_through:
            async for group in self.core.spool.read(1):
                found += json.loads(group.value)["records"]
                if group.last_sequence >= self.core.spool.durable_through:
                    break
        return found

    async def body(self, who, artifact, number):
        return b"".join([piece async for piece in self.psmp.readings.body(self.caller(who), artifact, number)])

    async def texts(self):
        """How many texts are kept: as objects, whosever they are, and in rows."""
        async with of_organization(self.pool, self.organization) as connection:
            rows = await connection.fetchval("select count(*) from psmp_bodies where sealed is not null")
        return rows + len([one for one in self.run.objects.rglob("*") if one.is_file()])

    def caller(self, who):
        caller = CALLERS[who]
        return replace(caller, organization="evil" if who == "mallory" else self.organization)


def new_version(name, *, text="body", paths=(), needs=(), **more):
    dependencies = [{"ecosystem": "python", "name": one.split("=")[0], "text": one} for one in needs]
    declarations = {"paths": list(paths), "dependencies": dependencies}
    return {"artifact_name": name, "content_text": text, "declarations": declarations, **more}


@pytest.fixture(scope="session")
def psmp_url(postgres_url):
    """One database for all: each test has an organization of its own, behind its wall."""
    name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(8)
    scheme, _, rest = with_database(postgres_url, name).partition("://")
    url = f"{scheme}://{name}:{password}@{rest.rpartition('@')[2]}"

    async def make():
        await make_databases(postgres_url, [name], password=password)
        await make_working_roles(postgres_url, name, owner=name)
        await migrate(url, "metaqore_ai_gateway.migrations")

    asyncio.run(make())
    return url


@pytest.fixture
def place(psmp_url, tmp_path):
    """Where a gateway of the test has what it keeps."""
    config = tmp_path / "metaqore.yaml"
    config.write_text(CONFIG)
    return Place(psmp_url, tmp_path / "run", config, f"acme-{secrets.token_hex(4)}")


@dataclass(frozen=True)
class Place:
    url: str
    run: Path
    config: Path
    organization: str
    objects: ObjectSettings = field(default_factory=ObjectSettings)

    @asynccontextmanager
    async def opened(self, published=None, project=""):
        """One life of a gateway, in which the organization has, or makes, a project."""
        settings = GatewaySettings(run_dir=self.run, config=self.config, gateway=GatewayGroup(spool_gather_s=0))
        async with (
            open_pool(self.url, name="test", size=4) as pool,
            open_core(settings, PostgresProjectNames(pool), scanner=HyperscanScanner(), providers={}) as core,
        ):
            run = RunDirectory(settings.run_dir)
            stores = Stores(self.url, pool, run, self.objects)
            idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
            psmp = await open_psmp(stores, core.governing, idempotency, published or _published, "test")
            made = World(psmp, core, run, self.organization, project, pool=pool)
            if not project:
                made.project = (await made.do("ann", "project.create", project_name="garden")).project
            yield made
            await psmp.queues.settled()


@pytest.fixture
async def world(place):
    async with place.opened() as made:
        yield made


async def _published(*_, **__):
    """Nobody listens to the topics here."""
