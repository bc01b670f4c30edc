"""Whoever changes the database is found out, and where."""

import pytest

from metaqore_compliance_auditor.adapters.wire import parse_group
from metaqore_compliance_auditor.domain.sealing import OpenLog
from metaqore_compliance_auditor.service.opening import LogDamaged, open_log
from metaqore_compliance_auditor.service.sealing import Blocked

ACME = "org_acme"
SIZE = 300 * 2


@pytest.fixture
async def log(parts, author):
    """A log of 600 records in three seals."""
    await parts.seal(author.tasks(100), author.tasks(150), author.tasks(50))
    return parts


CHANGED = """
    UPDATE entries SET record = overlay(
        record placing '\\x32'::bytea from position('"time_us":1'::bytea in record) + 10
    ) WHERE leaf_index = 7
"""


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        pytest.param(
            [CHANGED],
            {("leaf_hash_mismatch", 7)},
            id="a changed record",
        ),
        pytest.param(
            [
                CHANGED,
                "UPDATE entries SET leaf_hash = sha256('\\x00'::bytea || record) WHERE leaf_index = 7",
            ],
            {
                ("attestation_mismatch", 7),
                ("tile_mismatch", 7),
                ("tile_mismatch", 0),
                ("root_mismatch", 199),
                ("head_mismatch", 599),
                ("decision_mismatch", 107),
            },
            id="a changed record with its hash",
        ),
        pytest.param(
            ["DELETE FROM entries WHERE leaf_index = 599"],
            {("missing_entry", 599), ("progress_mismatch", None)},
            id="the last record removed",
        ),
        pytest.param(
            ["DELETE FROM entries WHERE leaf_index = 300"],
            {
                ("missing_entry", 300),
                ("organization_sequence_gap", 301),
                ("outcome_without_decision", 450),
            },
            id="a record removed from the middle",
        ),
        pytest.param(
            [
                "UPDATE entries SET leaf_index = 100000 WHERE leaf_index = 300",
                "UPDATE entries SET leaf_index = 300 WHERE leaf_index = 301",
                "UPDATE entries SET leaf_index = 301 WHERE leaf_index = 100000",
            ],
            {
                *(("organization_sequence_gap", index) for index in (300, 301, 302)),
                ("sequence_out_of_order", 301),
                ("tile_mismatch", 300),
                ("tile_mismatch", 256),
                ("root_mismatch", 499),
                ("head_mismatch", 599),
            },
            id="two records swapped",
        ),
        pytest.param(
            ["UPDATE tiles SET hashes = set_byte(hashes, 100, 255 - get_byte(hashes, 100)) WHERE tile_number = 1"],
            {("tile_mismatch", 259)},
            id="a full tile",
        ),
        pytest.param(
            ["UPDATE tiles SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0)) WHERE tile_number = 2"],
            {("tile_mismatch", 512)},
            id="the partial tile",
        ),
        pytest.param(
            ["UPDATE tiles SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40)) WHERE level = 1"],
            {("tile_mismatch", 256)},
            id="a tile of the second level",
        ),
        pytest.param(
            ["DELETE FROM tiles WHERE level = 0 AND tile_number = 1"], {("tile_missing", 256)}, id="a tile removed"
        ),
        pytest.param(
            ["INSERT INTO tiles SELECT organization, 3, 9, hashes FROM tiles WHERE level = 1"],
            {("tile_surplus", None)},
            id="a tile too many",
        ),
        pytest.param(
            ["UPDATE checkpoints SET note = replace(note, '200', '201') WHERE size = 200"],
            {("bad_checkpoint", 199)},
            id="a checkpoint's text",
        ),
        pytest.param(
            ["UPDATE checkpoints SET root = set_byte(root, 0, 255 - get_byte(root, 0)) WHERE size = 200"],
            {("checkpoint_mismatch", 199), ("root_mismatch", 199)},
            id="a checkpoint's root",
        ),
        pytest.param(
            ["DELETE FROM checkpoints WHERE size = 600"], {("head_mismatch", 599)}, id="the newest checkpoint removed"
        ),
        pytest.param(
            ["UPDATE logs SET size = 500, root = (SELECT root FROM checkpoints WHERE size = 500)"],
            {("head_mismatch", 599)},
            id="the head set back",
        ),
        pytest.param(["DELETE FROM logs"], {("head_mismatch", 599)}, id="the head removed"),
        pytest.param(
            ["DELETE FROM logs", "DELETE FROM checkpoints"], {("head_missing", 0)}, id="head and checkpoints removed"
        ),
        pytest.param(
            [
                "UPDATE logs SET size = 500, root = (SELECT root FROM checkpoints WHERE size = 500)",
                "DELETE FROM checkpoints WHERE size = 600",
            ],
            {
                ("entry_beyond_head", 500),
                ("tile_mismatch", 500),
                ("tile_mismatch", 256),
                ("tile_surplus", None),
                ("progress_mismatch", None),
            },
            id="the last seal taken back in part",
        ),
        pytest.param(
            ["UPDATE attestations SET time_us = time_us + 1 WHERE first_sequence = 1"],
            {("bad_signature", None)},
            id="a writer's head",
        ),
        pytest.param(
            ["DELETE FROM attestations WHERE first_sequence = 501"],
            {("attestation_missing", index) for index in range(500, 600)},
            id="a writer's signature removed",
        ),
        pytest.param(
            ["UPDATE entries SET receipt = gen_random_uuid() WHERE leaf_index = 3"],
            {("row_mismatch", 3)},
            id="a column beside the record",
        ),
        pytest.param(
            ["UPDATE writer_progress SET sequence = sequence - 1"],
            {("progress_mismatch", None)},
            id="a writer's progress",
        ),
    ],
)
async def test_a_verification_says_what_was_changed_and_where(log, statements, found):
    await log.tamper(*statements)
    assert set(await log.faults()) == found


async def test_what_is_whole_has_no_faults(log):
    assert await log.faults() == []


async def test_a_changed_log_is_reported_until_a_check_finds_it_whole(log):
    await log.tamper("UPDATE entries SET receipt = gen_random_uuid() WHERE leaf_index = 3")
    await log.checks.check_all(share=1.0)
    assert "1 faults" in log.checks.unsound()
    assert await log.book.count() == 1
    await log.checks.check_all(share=1.0)
    assert await log.book.count() == 1


async def test_a_record_that_is_in_no_log_is_found_by_its_writers_sequence(log):
    await log.tamper("DELETE FROM entries WHERE leaf_index IN (10, 20, 21, 599)")
    await log.checks.check_all(share=1.0)
    rows = await log.pool.fetch(
        "SELECT organization, message FROM faults WHERE code = 'sequence_gap' ORDER BY sequence"
    )
    assert [row["organization"] for row in rows] == ["", "", ""]
    assert [row["message"].split("from ")[1].split(" are")[0] for row in rows] == ["11 to 11", "21 to 22", "600 to 600"]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (
            "UPDATE tiles SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0)) WHERE tile_number = 2",
            "root_mismatch",
        ),
        ("DELETE FROM tiles WHERE tile_number = 2", "tile_missing"),
        ("UPDATE logs SET root = sha256('')", "head_mismatch"),
        ("DELETE FROM logs", "head_mismatch"),
        ("UPDATE checkpoints SET note = replace(note, '600', '601') WHERE size = 600", "bad_checkpoint"),
    ],
)
async def test_nothing_is_appended_to_a_log_whose_end_was_changed(log, author, notary, statement, code):
    await log.tamper(statement)
    with pytest.raises(LogDamaged) as damaged:
        await open_log(ACME, log.reader, notary)
    assert damaged.value.fault.code == code
    async with log.sealing() as sealer:
        assert await sealer.offer(parse_group(author.tasks(1))) == Blocked(ACME)
        assert await sealer.seal() == []
    assert await log.pool.fetchval("SELECT code FROM faults") == code


async def test_a_whole_log_opens(log, notary):
    opened = await open_log(ACME, log.reader, notary)
    assert isinstance(opened, OpenLog)
    assert opened.edge.root() == opened.head.root
    assert opened.head.size == SIZE


async def test_the_service_cannot_change_what_is_sealed(log):
    for statement in ("UPDATE entries SET kind = 'x'", "DELETE FROM checkpoints", "TRUNCATE attestations"):
        with pytest.raises(Exception, match="append-only"):
            await log.pool.execute(statement)
