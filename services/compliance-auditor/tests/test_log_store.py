"""Groups through to sealed logs, on a real PostgreSQL."""

import pytest

from metaqore_compliance_auditor.adapters.wire import parse_group
from metaqore_compliance_auditor.domain.admission import Append, Hold, Skip
from metaqore_compliance_auditor.domain.groups import Refused
from metaqore_compliance_auditor.service.ports import HeadMovedError
from metaqore_governance_core.proofs import verify_record_proof

ACME, GLOBEX = "org_acme", "org_globex"


async def test_a_sealed_record_is_proven_by_its_receipt(parts, author, new_task, notary):
    task = new_task()
    await parts.seal(author.group(author.decision(task)), author.group(author.outcome(task)), author.tasks(5))
    proof = await parts.reading.receipt(ACME, author.receipts[task])
    public = notary._public
    assert verify_record_proof(proof.decision, "mesh/org_acme", public).size == 12
    assert verify_record_proof(proof.outcome, "mesh/org_acme", public).size == 12
    assert await parts.faults() == []


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
