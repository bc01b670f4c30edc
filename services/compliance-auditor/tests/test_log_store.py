"""Groups through to sealed logs, on a real PostgreSQL."""

import asyncio
import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from metaqore_compliance_auditor.adapters.wire import parse_group
from metaqore_compliance_auditor.domain.admission import Append, Hold, Skip
from metaqore_compliance_auditor.domain.groups import Refused
from metaqore_compliance_auditor.service.ports import HeadMovedError
from metaqore_compliance_auditor.service.sealing import SealLimits
from metaqore_governance_core.proofs import verify_record_proof
from metaqore_mesh.telemetry.tracing import provided

ACME, GLOBEX = "org_acme", "org_globex"


async def test_a_sealed_record_is_proven_by_its_receipt(parts, author, new_task, notary):
    task = new_task()
    await parts.seal(author.group(author.decision(task)), author.group(author.outcome(task)), author.tasks(5))
    proof = await parts.reading.receipt(ACME, author.receipts[task])
    public = notary._public
    assert verify_record_proof(proof.decision, "mesh/org_acme", public).size == 12
    assert verify_record_proof(proof.outcome, "mesh/org_acme", public).size == 12
    assert await parts.faults() == []


async def test_a_command_is_sealed_and_proven_without_an_outcome(parts, author, notary):
    before = author.tasks(2)
    records = [author.command(), author.command()]
    commands = author.group(*records)
    await parts.seal(before, commands, author.tasks(1))
    for raw in records:
        receipt = json.loads(raw)["receipt"]
        proof = await parts.reading.receipt(ACME, receipt)
        assert (proof.decision.record, proof.outcome) == (raw, None)
        assert verify_record_proof(proof.decision, "mesh/org_acme", notary._public).size == 8
    assert await parts.seal(commands) == [Skip()]
    assert await parts.faults() == []


async def test_a_command_that_is_given_a_task_in_the_database_is_found(parts, author):
    await parts.seal(author.group(author.command()))
    await parts.tamper("UPDATE entries SET task = receipt")
    assert await parts.faults() == [("row_mismatch", 0)]


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
async def test_a_log_of_any_size_is_whole(parts, author, count):
    await parts.seal(author.tasks(count), author.tasks(1), author.tasks(count))
    assert await parts.faults() == []
    assert (await parts.reader.head(ACME)).size == 2 * (2 * count + 1)


async def test_everything_again_changes_nothing(parts, author):
    groups = [author.tasks(3), author.tasks(2, GLOBEX), author.tasks(1)]
    await parts.seal(*groups)
    before = [await parts.reader.head(ACME), await parts.reader.head(GLOBEX)]
    assert await parts.seal(*groups, *groups) == [Skip()] * 6
    assert [await parts.reader.head(ACME), await parts.reader.head(GLOBEX)] == before


async def test_what_waits_for_its_seal_is_known_as_well(parts, author):
    group = author.tasks(2)
    async with parts.sealing() as sealer:
        first = await sealer.offer(parse_group(group))
        assert isinstance(first, Append)
        assert await sealer.offer(parse_group(group)) == Skip()
        await sealer.seal()
    assert (await parts.reader.head(ACME)).size == 4


async def test_a_gap_waits_for_the_resend(parts, author):
    first, second = author.tasks(1), author.tasks(1)
    assert await parts.seal(second) == [Hold(1)]
    assert await parts.reader.head(ACME) is None
    verdicts = await parts.seal(first, second)
    assert [type(verdict) for verdict in verdicts] == [Append, Append]
    assert await parts.faults() == []


async def test_another_record_under_a_sealed_sequence_is_a_conflict(parts, author, new_author):
    liar = new_author(key=author.key)
    await parts.seal(author.tasks(1))
    with pytest.raises(Refused) as refused:
        await parts.seal(liar.tasks(1))
    assert refused.value.code == "sequence_conflict"
    assert (await parts.reader.head(ACME)).size == 2


async def test_writers_interleave_and_each_keeps_its_order(parts, author, new_author):
    other = new_author(writer="gw-beta")
    parts.trusting.authors.append(other)
    await parts.seal(author.tasks(2), other.tasks(1), author.tasks(1, GLOBEX), other.tasks(3), author.tasks(1))
    entries = await parts.reader.entries(ACME, 0, 100)
    assert [entry.index for entry in entries] == list(range(14))
    for writer in ("gw-alpha", "gw-beta"):
        numbers = [entry.organization_sequence for entry in entries if entry.writer == writer]
        assert numbers == list(range(1, len(numbers) + 1))
    assert await parts.faults() == await parts.faults(GLOBEX) == []
    assert await parts.reading.progress("gw-alpha") == (8, 8)


async def test_a_later_tenure_goes_on_where_the_last_one_ended(parts, author):
    await parts.seal(author.tasks(100))
    await parts.seal(author.tasks(100))
    assert (await parts.reader.head(ACME)).size == 400
    assert await parts.faults() == []


async def test_a_sealer_that_slipped_by_the_lock_cannot_commit(parts, author):
    first, second = author.tasks(1), author.tasks(1)
    async with parts.store.tenure() as tenure:
        one, other = parts.sealer(tenure, {}), parts.sealer(tenure, {})
        await one.offer(parse_group(first))
        await other.offer(parse_group(first))
        await one.seal()
        with pytest.raises(HeadMovedError):
            await other.seal()
    await parts.seal(first, second)
    assert (await parts.reader.head(ACME)).size == 4
    assert await parts.faults() == []


async def test_signed_breaches_are_sealed_and_told(parts, author, new_task):
    task, other = new_task(), new_task()
    await parts.seal(
        author.group(author.decision(task), author.decision(task), author.outcome(task), author.outcome(task)),
        author.group(author.outcome(other)),
    )
    found = [("second_decision", 1), ("second_outcome", 3), ("outcome_without_decision", 4)]
    assert (await parts.reader.head(ACME)).size == 5
    rows = await parts.pool.fetch("SELECT code, leaf_index FROM faults ORDER BY leaf_index")
    assert [tuple(row) for row in rows] == found
    assert await parts.faults() == found


async def test_the_span_of_a_seal_is_linked_from_the_traces_of_its_records(parts, author):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = ["00-" + "ab" * 16 + "-" + "12" * 8 + "-01", "00-" + "cd" * 16 + "-" + "34" * 8 + "-01"]
    with provided(provider):
        async with parts.sealing() as sealer:
            for trace in traces:
                await sealer.offer(parse_group(author.tasks(1)), [trace, "nonsense"])
            await sealer.seal()
    (span,) = [span for span in exporter.get_finished_spans() if span.name == "auditor.seal"]
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ["ab" * 16, "cd" * 16]
    assert span.attributes["metaqore.records"] == 4


async def test_too_many_waiting_records_hold_up_the_next(parts, author):
    async with parts.store.tenure() as tenure:
        sealer = parts.sealer(tenure, {}, SealLimits(delay_s=0.01, waiting_records=4))
        for group in (author.tasks(1), author.tasks(1)):
            await sealer.offer(parse_group(group))
        third = asyncio.create_task(sealer.offer(parse_group(author.tasks(1))))
        await asyncio.sleep(0.05)
        assert not third.done()
        await sealer.seal()
        assert isinstance(await third, Append)


async def test_many_organizations_are_sealed_together(parts, author):
    organizations = [f"org_{number}" for number in range(50)]
    async with parts.sealing() as sealer:
        for organization in organizations:
            await sealer.offer(parse_group(author.tasks(1, organization)))
        seals = await sealer.seal()
    assert sorted(seal.organization for seal in seals) == sorted(organizations)
    for organization in organizations[::10]:
        assert await parts.faults(organization) == []


async def test_one_group_may_hold_records_of_many_organizations(parts, author, new_task):
    mine, theirs = new_task(), new_task()
    records = [author.decision(mine), author.decision(theirs, GLOBEX), author.outcome(mine)]
    await parts.seal(author.group(*records, author.outcome(theirs, GLOBEX)))
    assert await parts.faults() == await parts.faults(GLOBEX) == []
    for organization in (ACME, GLOBEX):
        entries = await parts.reader.entries(organization, 0, 10)
        assert [entry.organization_sequence for entry in entries] == [1, 2]
