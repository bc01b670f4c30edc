"""The whole auditor on a real broker and a real PostgreSQL, asked over gRPC."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import grpc
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1.audit_pb2_grpc import AuditServiceStub
from metaqore_compliance_auditor.bootstrap import bootstrap
from metaqore_governance_core.checkpoints import open_checkpoint
from metaqore_governance_core.merkle import verify_consistency
from metaqore_governance_core.proofs import RecordProof, verify_record_proof
from metaqore_mesh.errors import error_of_call
from metaqore_mesh.health import Health
from metaqore_mesh.keys import load_public_key
from metaqore_mesh.run_directory import RunDirectory

ACME, GLOBEX = "org_acme", "org_globex"
RECORDS, CHECKPOINTS = "metaqore.audit.records.v1", "metaqore.audit.checkpoints.v1"


@dataclass
class Running:
    stub: AuditServiceStub
    health: Health
    settings: object
    producer: AIOKafkaProducer

    def as_(self, organization):
        token = RunDirectory(self.settings.run_dir).mesh_token.read_text().strip()
        return (("authorization", f"Bearer {token}"), ("metaqore-organization", organization))

    async def send(self, *groups, writer="gw-alpha"):
        for group in groups:
            await self.producer.send_and_wait(RECORDS, group, writer.encode())

    async def sealed(self, sequence, writer="gw-alpha"):
        """Wait until the writer is sealed up to `sequence`."""
        async with asyncio.timeout(60):
            while True:
                request = pb.GetWriterProgressRequest(writer=writer)
                progress = await self.stub.GetWriterProgress(request, metadata=self.as_(ACME))
                if progress.sealed_sequence >= sequence:
                    return progress.sealed_sequence
                await asyncio.sleep(0.02)

    async def ready(self):
        async with asyncio.timeout(60):
            while any((await self.health.readiness()).values()):
                await asyncio.sleep(0.05)

    @property
    def public(self):
        return load_public_key(RunDirectory(self.settings.run_dir).log_public_key)

    def origin(self, organization):
        return f"{RunDirectory(self.settings.run_dir).mesh_id.read_text().strip()}/{organization}"


@asynccontextmanager
async def running(settings):
    health = Health()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await producer.start()
    try:
        async with (
            bootstrap(settings, health) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            auditor = Running(AuditServiceStub(channel), health, settings, producer)
            await auditor.ready()
            yield auditor
    finally:
        await producer.stop()


@pytest.fixture
async def auditor(settings):
    async with running(settings) as auditor:
        yield auditor


def proof_of(proven):
    return RecordProof(proven.record, proven.leaf_index, tuple(proven.inclusion_path), proven.checkpoint)


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return error_of_call(raised.value).code


async def test_a_record_becomes_a_proof_anyone_can_check(auditor, author, new_task):
    task = new_task()
    await auditor.send(author.group(author.decision(task)))
    await auditor.sealed(1)
    receipt = pb.GetReceiptRequest(receipt_id=author.receipts[task])
    first = await auditor.stub.GetReceipt(receipt, metadata=auditor.as_(ACME))
    assert not first.HasField("outcome")
    await auditor.send(author.group(author.outcome(task)), author.tasks(300))
    await auditor.sealed(602)
    found = await auditor.stub.GetReceipt(receipt, metadata=auditor.as_(ACME))
    for proven in (first.decision, found.decision, found.outcome):
        verify_record_proof(proof_of(proven), auditor.origin(ACME), auditor.public)
    assert found.decision.checkpoint == found.outcome.checkpoint

    old = open_checkpoint(first.decision.checkpoint, auditor.origin(ACME), auditor.public)
    new = open_checkpoint(found.decision.checkpoint, auditor.origin(ACME), auditor.public)
    sizes = pb.GetConsistencyProofRequest(old_size=old.size, new_size=new.size)
    path = await auditor.stub.GetConsistencyProof(sizes, metadata=auditor.as_(ACME))
    verify_consistency(old.size, new.size, old.root, new.root, path.consistency_path)


async def test_a_command_becomes_a_proof_as_well(auditor, author):
    record = author.command()
    await auditor.send(author.group(record), author.tasks(1))
    await auditor.sealed(3)
    receipt = pb.GetReceiptRequest(receipt_id=json.loads(record)["receipt"])
    found = await auditor.stub.GetReceipt(receipt, metadata=auditor.as_(ACME))
    assert (found.decision.record, found.HasField("outcome")) == (record, False)
    verify_record_proof(proof_of(found.decision), auditor.origin(ACME), auditor.public)


async def test_an_organization_sees_its_own_log_alone(auditor, author, new_task):
    task = new_task()
    await auditor.send(author.group(author.decision(task)), author.tasks(1, GLOBEX))
    await auditor.sealed(3)
    receipt = pb.GetReceiptRequest(receipt_id=author.receipts[task])
    assert await refusal(auditor.stub.GetReceipt(receipt, metadata=auditor.as_(GLOBEX))) == "receipt_not_sealed"
    records = pb.GetTaskRecordsRequest(task_id=task)
    assert not (await auditor.stub.GetTaskRecords(records, metadata=auditor.as_(GLOBEX))).records
    assert len((await auditor.stub.GetTaskRecords(records, metadata=auditor.as_(ACME))).records) == 1
    async for page in auditor.stub.ListRecords(pb.ListRecordsRequest(), metadata=auditor.as_(GLOBEX)):
        assert all(json.loads(record.record)["organization"] == GLOBEX for record in page.records)
    for metadata, code in [
        ((), "mesh_token_invalid"),
        ((("metaqore-organization", ACME),), "mesh_token_invalid"),
        (auditor.as_(ACME)[:1], "organization_missing"),
    ]:
        assert await refusal(auditor.stub.GetCheckpoint(pb.GetCheckpointRequest(), metadata=metadata)) == code


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("GetReceipt", pb.GetReceiptRequest(receipt_id="nonsense"), "receipt_id_invalid"),
        ("GetTaskRecords", pb.GetTaskRecordsRequest(task_id=""), "task_id_invalid"),
        ("GetCheckpoint", pb.GetCheckpointRequest(), "no_checkpoint"),
        ("GetInclusionProof", pb.GetInclusionProofRequest(leaf_index=0, tree_size=1), "out_of_log"),
        ("GetInclusionProof", pb.GetInclusionProofRequest(leaf_index=0, tree_size=0), "out_of_log"),
        ("GetInclusionProof", pb.GetInclusionProofRequest(leaf_index=2**64 - 1, tree_size=2**64 - 1), "out_of_log"),
        ("GetCheckpoint", pb.GetCheckpointRequest(size=2**64 - 1), "no_checkpoint"),
        ("GetConsistencyProof", pb.GetConsistencyProofRequest(old_size=2, new_size=1), "out_of_log"),
        ("GetWriterProgress", pb.GetWriterProgressRequest(), "writer_invalid"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_reason(auditor, method, request_, code):
    assert await refusal(getattr(auditor.stub, method)(request_, metadata=auditor.as_("org_empty"))) == code


async def test_a_follower_sees_the_tail_and_then_what_is_sealed(auditor, author):
    await auditor.send(author.tasks(3))
    await auditor.sealed(6)
    seen = []
    stream = auditor.stub.ListRecords(pb.ListRecordsRequest(tail=2, follow=True), metadata=auditor.as_(ACME))
    async with asyncio.timeout(60):
        async for page in stream:
            seen += [record.leaf_index for record in page.records]
            if len(seen) == 2:
                await auditor.send(author.tasks(1))
            if len(seen) == 4:
                break
    stream.cancel()
    assert seen == [4, 5, 6, 7]


async def test_what_can_never_fit_is_buried_with_its_cause_and_holds_up_nobody(auditor, author, new_author, kafka):
    stranger = new_author(writer="gw-stranger")
    await auditor.send(b"no group", stranger.tasks(1), author.tasks(1))
    await auditor.sealed(2)
    codes = set()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(f"{RECORDS}.compliance-auditor.dlq", 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(60):
            while not {"malformed_group", "unknown_key"} <= codes:
                codes.add(dict((await consumer.getone()).headers)["dlq_code"].decode())
    finally:
        await consumer.stop()


async def test_checkpoints_are_announced_in_order_after_their_commit(auditor, author, kafka):
    for _ in range(3):
        await auditor.send(author.tasks(1))
        await auditor.sealed(author.sequence)
    heads = []
    consumer = AIOKafkaConsumer(CHECKPOINTS, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while not heads or heads[-1].size < 6:
                event = json.loads((await consumer.getone()).value)
                if event["origin"] == auditor.origin(ACME):
                    heads.append(open_checkpoint(event["checkpoint"], auditor.origin(ACME), auditor.public))
    finally:
        await consumer.stop()
    assert [head.size for head in heads] == sorted(head.size for head in heads)


async def test_a_restart_goes_on_and_takes_the_resend_for_what_it_is(settings, author):
    groups = [author.tasks(2) for _ in range(5)]
    async with running(settings) as first:
        await first.send(*groups)
        await first.sealed(20)
    async with running(settings) as second:
        await second.send(*groups, author.tasks(1))
        await second.sealed(22)
        last = [each async for each in second.stub.VerifyLog(pb.VerifyLogRequest(), metadata=second.as_(ACME))][-1]
    assert last.finished
    assert last.total_records == 22
    assert not last.faults


async def test_a_second_auditor_serves_reads_and_takes_over(settings, author):
    async with running(settings) as first:
        await first.send(author.tasks(2))
        await first.sealed(4)
        async with running(settings) as second:
            assert await second.sealed(4) == 4
            await second.send(author.tasks(1))
            await second.sealed(6)
            leaving = asyncio.create_task(_leave(first))
            await second.send(author.tasks(1))
            await second.sealed(8)
            await leaving


async def _leave(auditor):
    """The database ends the first one's right to seal, as a failing link would."""
    connection = await asyncpg.connect(auditor.settings.database.url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'metaqore-auditor-sealer'"
    )
    await connection.close()


async def test_a_tampered_log_is_reported_by_readiness_and_by_verify(settings, author):
    async with running(settings) as auditor:
        await auditor.send(author.tasks(4))
        await auditor.sealed(8)
        connection = await asyncpg.connect(settings.database.url)
        await connection.execute("ALTER TABLE entries DISABLE TRIGGER append_only")
        await connection.execute("DELETE FROM entries WHERE leaf_index = 3")
        await connection.close()
        stream = auditor.stub.VerifyLog(pb.VerifyLogRequest(), metadata=auditor.as_(ACME))
        faults = [fault async for each in stream for fault in each.faults]
        assert ("missing_entry", 3) in {(fault.code, fault.leaf_index) for fault in faults}
        assert "audit verify" in (await auditor.health.readiness())["logs"]
