"""Records, the groups that sign them, and the receipts that promise them: any change shows."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from written_records import KEY, OTHER, PUBLIC, command, decision, group_of, outcome, raw_of, receipt_of

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.group import (
    Group,
    GroupHead,
    group_value,
    parse_group,
    signed_bytes,
    verify_group,
    verify_head,
)
from metaqore_governance_core.keys import SignatureInvalidError, key_id
from metaqore_governance_core.merkle import ProofError, leaf_hash
from metaqore_governance_core.receipts import ReceiptError, parse_token, token, verify, verify_record
from metaqore_governance_core.records import parse_record

RECORDS = [
    decision(1),
    decision(2, task="task-2"),
    outcome(3, decision(1)),
    decision(4, task="task-4"),
    decision(5, task="5"),
    command(6),
]


@pytest.mark.parametrize("record", [*RECORDS[:3], RECORDS[5]])
def test_a_record_comes_back_from_its_canonical_bytes(record):
    assert parse_record(raw_of(record)) == record


def test_a_field_that_is_not_known_yet_is_left_out():
    raw = canonical(asdict(RECORDS[0]) | {"later": 1})
    assert parse_record(raw) == RECORDS[0]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"kind": "opinion"}, "the record"),
        ({"sequence": "1"}, "decision.sequence"),
        ({"sequence": 1.5}, "decision.sequence"),
        ({"task": None}, "decision.task"),
        ({"findings": {"email": "two"}}, "decision.findings.email"),
        ({"prompt": {"digest": "00"}}, "decision.prompt.key_id"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_the_name_of_its_field(changes, where):
    with pytest.raises(MetaQoreError) as refused:
        parse_record(canonical({**asdict(RECORDS[0]), **changes}) if "sequence" not in changes else _json(changes))
    assert refused.value.code == "record_invalid"
    assert where in refused.value.message


def _json(changes):
    return json.dumps({**asdict(RECORDS[0]), **changes}).encode()


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff", b'{"kind":"decision"}', b"[" * 100_000])
def test_other_bytes_are_no_record(raw):
    with pytest.raises(MetaQoreError) as refused:
        parse_record(raw)
    assert refused.value.code == "record_invalid"


@given(st.integers(1, 6))
def test_a_group_comes_back_and_verifies(count):
    group = group_of(RECORDS[:count])
    value = group_value(group.head, group.signature, group.records)
    assert canonical(json.loads(value)) == value
    assert parse_group(value) == group
    assert verify_group(group, PUBLIC) == tuple(leaf_hash(record) for record in group.records)


def test_a_group_from_another_json_writer_is_the_same():
    group = group_of(RECORDS[:2])
    value = group_value(group.head, group.signature, group.records)
    spaced = json.dumps(dict(reversed(json.loads(value).items())), indent=1).encode()
    assert parse_group(spaced) == group


def test_the_signed_bytes_say_what_they_are():
    head = GroupHead(count=1, first_sequence=2, key_id="k", root="00", time_us=3, writer="w")
    assert signed_bytes(head) == (
        b'metaqore-group-commit/v1\n{"count":1,"first_sequence":2,"key_id":"k","root":"00","time_us":3,"writer":"w"}'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 2),
        ("first_sequence", 8),
        ("root", "00" * 32),
        ("time_us", 0),
        ("writer", "writer-2"),
        ("key_id", "0" * 16),
    ],
)
def test_a_changed_head_fails(name, value):
    group = group_of(RECORDS[:3])
    with pytest.raises(MetaQoreError):
        verify_group(replace(group, head=replace(group.head, **{name: value})), PUBLIC)


def test_changed_records_fail():
    group = group_of(RECORDS[:3])
    changes = [
        group.records[:2],
        (*group.records, group.records[0]),
        group.records[::-1],
        (raw_of(replace(RECORDS[0], verdict="deny")), *group.records[1:]),
        (),
    ]
    for records in changes:
        with pytest.raises(MetaQoreError):
            verify_group(Group(group.head, group.signature, records), PUBLIC)


def test_another_key_fails():
    group = group_of(RECORDS[:1])
    with pytest.raises(SignatureInvalidError):
        verify_group(group, OTHER.public_key().public_bytes_raw())
    forged = replace(group, signature=OTHER.sign(signed_bytes(group.head)))
    with pytest.raises(SignatureInvalidError):
        verify_group(forged, PUBLIC)
    with pytest.raises(SignatureInvalidError):
        verify_head(group.head, b"", PUBLIC)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"records": NaN}',
        b"[" * 100_000,
        b'{"count":1,"first_sequence":1,"key_id":"k","records":[1],"root":"","signature":"","time_us":1,"version":1,"writer":"w"}',
        b'{"count":true,"first_sequence":1,"key_id":"k","records":[],"root":"","signature":"","time_us":1,"version":1,"writer":"w"}',
        b'{"count":1,"first_sequence":1,"key_id":"k","records":[],"root":"","signature":"A0","time_us":1,"version":1,"writer":"w"}',
        b'{"count":1,"first_sequence":1,"key_id":"k","records":[{"a":NaN}],"root":"","signature":"","time_us":1,"version":1,"writer":"w"}',
        b'{"count":1,"first_sequence":1,"key_id":"k","records":[{"a":"\\ud800"}],"root":"","signature":"","time_us":1,"version":1,"writer":"w"}',
        b'{"count":1,"first_sequence":1,"key_id":"k","records":[],"root":"","signature":"","time_us":1,"version":2,"writer":"w"}',
    ],
)
def test_what_is_no_group_is_refused_with_a_code(value):
    with pytest.raises(MetaQoreError) as refused:
        parse_group(value)
    assert refused.value.code in {"group_invalid", "group_version_unknown"}


@pytest.mark.parametrize("count", range(1, 7))
def test_every_record_of_a_group_can_have_a_receipt(count):
    group = group_of(RECORDS[:count])
    for index in range(count):
        receipt = receipt_of(group, index)
        verify(receipt, PUBLIC)
        assert parse_token(token(receipt)) == receipt
        if RECORDS[index].kind != "outcome":
            verify_record(receipt, group.records[index])


def check(text, record):
    receipt = parse_token(text)
    verify(receipt, PUBLIC)
    verify_record(receipt, record)


def test_a_receipt_with_any_bit_changed_is_worth_nothing():
    group = group_of(RECORDS)
    text = token(receipt_of(group, 1))
    check(text, group.records[1])
    for position in range(len(text)):
        for bit in range(7):
            changed = text[:position] + chr(ord(text[position]) ^ 1 << bit) + text[position + 1 :]
            with pytest.raises(MetaQoreError):
                check(changed, group.records[1])


def test_a_receipt_whose_content_has_any_byte_changed_is_worth_nothing():
    group = group_of(RECORDS[:3])
    content = urlsafe_b64decode(pad(token(receipt_of(group, 0))))
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        with pytest.raises(MetaQoreError):
            check(urlsafe_b64encode(changed).rstrip(b"=").decode(), group.records[0])


def pad(text):
    return text + "=" * (-len(text) % 4)


def test_a_receipt_for_a_changed_record_is_worth_nothing():
    group = group_of(RECORDS[:2])
    text = token(receipt_of(group, 0))
    for position in range(len(group.records[0])):
        record = bytearray(group.records[0])
        record[position] ^= 1
        with pytest.raises(MetaQoreError):
            check(text, bytes(record))


@pytest.mark.parametrize("name", ["id", "organization", "task"])
def test_a_receipt_moved_to_another_task_is_found_out_by_its_record(name):
    group = group_of(RECORDS[:1])
    moved = replace(receipt_of(group, 0), **{name: "another"})
    with pytest.raises(ReceiptError) as refused:
        verify_record(moved, group.records[0])
    assert refused.value.code == "receipt_record_differs"


def test_the_receipt_of_a_command_names_no_task():
    group = group_of(RECORDS)
    receipt = receipt_of(group, 5)
    assert receipt.task == ""
    check(token(receipt), group.records[5])
    for moved in (replace(receipt, task="task-1"), replace(receipt_of(group, 0), task="")):
        with pytest.raises(MetaQoreError) as refused:
            verify_record(moved, group.records[moved.sequence - 1])
        assert refused.value.code == "receipt_record_differs"


@pytest.mark.parametrize("sequence", [0, 1, 3, 4])
def test_a_receipt_with_another_sequence_fails(sequence):
    group = group_of(RECORDS[:3])
    with pytest.raises(ProofError):
        verify(replace(receipt_of(group, 1), sequence=sequence), PUBLIC)


def test_a_receipt_of_another_writer_fails():
    group = group_of(RECORDS[:3])
    with pytest.raises(ReceiptError):
        verify(replace(receipt_of(group, 1), writer="writer-2"), PUBLIC)


@pytest.mark.parametrize("text", ["", "e30", "W10", "bnVsbA", "!!!!", "é", "a", "MTI", "x" * 5000])
def test_another_text_is_no_receipt(text):
    with pytest.raises(ReceiptError) as refused:
        parse_token(text)
    assert refused.value.code == "receipt_invalid"


def test_a_key_id_is_sixteen_hex_digits():
    assert key_id(PUBLIC) == group_of(RECORDS[:1]).head.key_id
    assert len(key_id(Ed25519PrivateKey.generate().public_key().public_bytes_raw())) == 16
    assert KEY is not OTHER
