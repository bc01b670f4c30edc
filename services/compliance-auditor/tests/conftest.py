"""A writer that a test can bend, and an auditor's parts around it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import socket
import subprocess
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_compliance_auditor.adapters.notary import KeyNotary
from metaqore_compliance_auditor.adapters.postgres.doorbell import Doorbell
from metaqore_compliance_auditor.adapters.postgres.faults import PostgresFaultBook
from metaqore_compliance_auditor.adapters.postgres.reading import PostgresLogReader
from metaqore_compliance_auditor.adapters.postgres.sealing import PostgresSealStore
from metaqore_compliance_auditor.adapters.wire import parse_facts, parse_group
from metaqore_compliance_auditor.domain.authenticity import WriterKey
from metaqore_compliance_auditor.migrations.versions import v0001_logs, v0002_commands
from metaqore_compliance_auditor.service.checking import CheckLogs
from metaqore_compliance_auditor.service.reading import LogReading
from metaqore_compliance_auditor.service.sealing import Sealer, SealLimits
from metaqore_compliance_auditor.service.verifying import VerifyLog
from metaqore_compliance_auditor.settings import AuditorGroup, AuditorSettings
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.group import GroupHead, group_value, signed_bytes
from metaqore_governance_core.keys import key_id
from metaqore_governance_core.merkle import leaf_hash, root
from metaqore_mesh.embedded.broker import EmbeddedBroker
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.settings import DatabaseSettings, KafkaSettings

ACME = "org_acme"
GLOBEX = "org_globex"
LIMITS = SealLimits(delay_s=0.01)
_ids = itertools.count(1)


def new_id():
    """A UUID that a person can tell from the next."""
    return str(uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + next(_ids)))


@dataclass
class Author:
    """A writer: numbers and signs what it is told to, right or wrong."""

    writer: str = "gw-alpha"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sequence: int = 0
    numbers: dict = field(default_factory=dict)
    receipts: dict = field(default_factory=dict)
    decisions: dict = field(default_factory=dict)

    @property
    def trusted(self):
        public = self.key.public_key().public_bytes_raw()
        return {key_id(public): WriterKey(self.writer, public)}

    def publish(self, run):
        raw = self.key.public_key().public_bytes_raw()
        (run.writers / f"{self.writer}.pub").write_bytes(base64.b64encode(raw))

    def decision(self, task, organization=ACME, /, **fields):
        receipt = self.receipts.setdefault(task, new_id())
        record = self._record("decision", task, organization, receipt, fields)
        self.decisions.setdefault(task, leaf_hash(record).hex())
        return record

    def outcome(self, task, organization=ACME, /, **fields):
        receipt = self.receipts.setdefault(task, new_id())
        named = {"decision": self.decisions.get(task, "00" * 32), **fields}
        return self._record("outcome", task, organization, receipt, named)

    def command(self, organization=ACME, /, **fields):
        """A command's record; its receipt is kept under itself."""
        receipt = new_id()
        self.receipts[receipt] = receipt
        named = {"tool": "psmp.artifact", "verb": "propose", "target": ["artifact:1"], **fields}
        return self._record("command", None, organization, receipt, named)

    def _record(self, kind, task, organization, receipt, fields):
        self.sequence += 1
        self.numbers[organization] = self.numbers.get(organization, 0) + 1
        return canonical(
            {
                "kind": kind,
                "organization": organization,
                "organization_sequence": self.numbers[organization],
                "receipt": receipt,
                "sequence": self.sequence,
                **({} if task is None else {"task": task}),
                "time_us": 1_700_000_000_000_000,
                "version": 1,
                "writer": self.writer,
                **fields,
            }
        )

    def group(self, *records, **head):
        """The wire form of a group of the last records made; `head` overrides fields of the signed head."""
        public = self.key.public_key().public_bytes_raw()
        fields = {
            "count": len(records),
            "first_sequence": self.sequence - len(records) + 1,
            "key_id": key_id(public),
            "root": root([leaf_hash(record) for record in records]).hex(),
            "time_us": 1_700_000_000_000_000,
            "writer": self.writer,
        }
        signed = GroupHead(**{**fields, **head})
        return group_value(signed, self.key.sign(signed_bytes(signed)), records)

    def tasks(self, count, organization=ACME):
        """A group of the decisions and outcomes of `count` tasks."""
        tasks = [new_id() for _ in range(count)]
        decisions = [self.decision(task, organization) for task in tasks]
        return self.group(*decisions, *(self.outcome(task, organization) for task in tasks))


@dataclass
class Trusting:
    """Trusts the authors that it is given."""

    authors: list = field(default_factory=list)
    rereads: int = 0

    @property
    def keys(self):
        return {identifier: key for author in self.authors for identifier, key in author.trusted.items()}

    async def reread(self):
        self.rereads += 1


@dataclass
class Parts:
    """An auditor's parts over one database."""

    url: str
    pool: asyncpg.Pool
    notary: KeyNotary
    trusting: Trusting

    def __post_init__(self):
        self.doorbell = Doorbell(poll_s=0.05)
        self.reader = PostgresLogReader(self.pool, self.doorbell)
        self.book = PostgresFaultBook(self.pool)
        self.store = PostgresSealStore(self.url, poll_s=0.02)
        self.verify = VerifyLog(self.reader, self.notary, self.trusting, parse_facts)
        self.checks = CheckLogs(self.verify, self.reader, self.book)
        self.reading = LogReading(self.reader, lambda _: 0, asyncio.Event())

    def sealer(self, tenure, positions, limits=LIMITS):
        return Sealer(
            tenure,
            positions,
            reader=self.reader,
            notary=self.notary,
            writers=self.trusting,
            faults=self.book,
            limits=limits,
        )

    @asynccontextmanager
    async def sealing(self):
        async with self.store.tenure() as tenure:
            yield self.sealer(tenure, await tenure.positions())

    async def seal(self, *groups):
        """Offer the groups in one tenure and seal after each; gives the verdicts."""
        verdicts = []
        async with self.sealing() as sealer:
            for group in groups:
                verdicts.append(await sealer.offer(parse_group(group)))
                await sealer.seal()
        return verdicts

    async def faults(self, organization=ACME):
        """The codes and leaf indexes that a verification finds."""
        return [
            (fault.code, fault.leaf_index) async for progress in self.verify(organization) for fault in progress.faults
        ]

    async def tamper(self, *statements):
        """What somebody with the database in hand could do: drop the guard first."""
        async with self.pool.acquire() as connection:
            for table in ("entries", "checkpoints", "attestations"):
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            for statement in statements:
                await connection.execute(statement)
            for table in ("entries", "checkpoints", "attestations"):
                await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")


@pytest.fixture
def author():
    return Author()


@pytest.fixture
def new_author():
    return Author


@pytest.fixture
def new_task():
    return new_id


@pytest.fixture
def notary():
    return KeyNotary("mesh", Ed25519PrivateKey.generate())


@pytest.fixture
async def parts(database_url, notary, author):
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        for statement in (*v0001_logs.statements(), *v0002_commands.statements()):
            await pool.execute(statement)
        yield Parts(database_url, pool, notary, Trusting([author]))


@pytest.fixture(scope="session")
def kafka():
    """A broker: the Apache Kafka that is given, or an embedded one of this session."""
    if given := os.environ.get("METAQORE_TEST_KAFKA"):
        yield KafkaSettings(bootstrap_servers=given)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = EmbeddedBroker(port)
    with subprocess.Popen(broker.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        finally:
            process.kill()


@pytest.fixture
def settings(tmp_path, database_url, kafka, author):
    """An auditor's settings, with the author's key in the trust directory."""
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.make_mesh_token()
    author.publish(run)
    return AuditorSettings(
        run_dir=run.path,
        kafka=kafka,
        database=DatabaseSettings(url=database_url, pool_size=3),
        auditor=AuditorGroup(grpc_port=0, seal_delay_s=0.05),
    )
