"""The quick encoders write records, heads and receipts byte for byte as RFC 8785 has them."""

import json
from dataclasses import asdict, fields, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from written_records import command

from metaqore_governance_core.canonical import canonical, canonical_plain
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.records import (
    MAX_RECORD_BYTES,
    CommandRecord,
    Commitment,
    DecisionRecord,
    OutcomeRecord,
    Personal,
    parse_record,
)

ENCODER = msgspec.json.Encoder(order="sorted")
LARGEST = 2**53 - 1

# Lone surrogates aside, which no UTF-8 input can hold: control characters, DEL, U+2028, astral characters and all.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "",
        "\x00\x01\x1f",
        "\b\t\n\f\r",
        '"\\/',
        "\x7f\x80\x9f",
        "\u2028\u2029\ufeff\uffff",
        "𝄞😀",
        "é\u0301",
        "</script>",
    ]
)
numbers = st.integers(0, LARGEST) | st.sampled_from([0, 1, LARGEST])
# Keys of findings are the scanner's own names: ASCII, where UTF-16 order (RFC 8785) and UTF-8 order agree.
kinds = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), max_size=20)
commitments = st.builds(Commitment, digest=texts, key_id=texts, size_bytes=numbers)
decisions = st.builds(
    DecisionRecord,
    caller=texts,
    door=texts,
    findings=st.dictionaries(kinds, numbers, max_size=8),
    model=texts,
    organization=texts,
    organization_sequence=numbers,
    personal=st.builds(Personal, caller_name=texts),
    policy=texts,
    policy_version=texts,
    project=st.none() | texts,
    prompt=commitments,
    reasons=st.lists(texts, max_size=4).map(tuple),
    receipt=texts,
    sensitivity=texts,
    sensitivity_sources=st.lists(texts, max_size=4).map(tuple),
    sequence=numbers,
    task=texts,
    time_us=numbers,
    verdict=texts,
    writer=texts,
)
outcomes = st.builds(
    OutcomeRecord,
    answer=st.none() | commitments,
    attempts=numbers,
    completion_tokens=st.none() | numbers,
    decision=texts,
    duration_us=numbers,
    error=st.none() | texts,
    finish_reason=st.none() | texts,
    locality=st.none() | texts,
    model=st.none() | texts,
    organization=texts,
    organization_sequence=numbers,
    prompt_tokens=st.none() | numbers,
    provider=st.none() | texts,
    receipt=texts,
    sequence=numbers,
    state=texts,
    task=texts,
    time_us=numbers,
    writer=texts,
)
commands = st.builds(
    CommandRecord,
    body=commitments,
    caller=texts,
    door=texts,
    findings=st.dictionaries(kinds, numbers, max_size=8),
    organization=texts,
    organization_sequence=numbers,
    personal=st.builds(Personal, caller_name=texts),
    policy=texts,
    policy_version=texts,
    project=st.none() | texts,
    reasons=st.lists(texts, max_size=4).map(tuple),
    receipt=texts,
    sensitivity=texts,
    sensitivity_sources=st.lists(texts, max_size=4).map(tuple),
    sequence=numbers,
    target=st.lists(texts, max_size=4).map(tuple),
    time_us=numbers,
    tool=texts,
    verb=texts,
    verdict=texts,
    writer=texts,
)
heads = st.builds(
    GroupHead, count=numbers, first_sequence=numbers, key_id=texts, root=texts, time_us=numbers, writer=texts
)


@settings(deadline=None)
@given(decisions | outcomes | commands | heads)
def test_all_encoders_write_the_same_bytes(value):
    assert ENCODER.encode(value) == canonical_plain(asdict(value)) == canonical(asdict(value))


@settings(deadline=None)
@given(decisions | outcomes | commands)
def test_the_canonical_bytes_are_the_record(record):
    raw = ENCODER.encode(record)
    assert parse_record(raw) == record
    assert canonical(json.loads(raw)) == raw


def test_the_fields_of_a_record_stand_in_alphabetical_order():
    for record in (DecisionRecord, OutcomeRecord, CommandRecord):
        names = [each.name for each in fields(record) if each.name not in {"kind", "version"}]
        assert names == sorted(names)


def test_a_command_about_a_thousand_things_fits_a_record():
    targets = tuple(f"artifact:01a1fea3-d5e4-7a67-bc75-{number:012x}" for number in range(1_000))
    assert len(ENCODER.encode(replace(command(1), target=targets))) <= MAX_RECORD_BYTES


def test_every_control_character_is_spelled_alike():
    text = "".join(map(chr, range(0x100)))
    assert ENCODER.encode(text) == canonical_plain(text) == canonical(text)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner) | st.dictionaries(kinds, inner)
    )
)
def test_nested_values_are_written_alike(value):
    assert ENCODER.encode(value) == canonical_plain(value) == canonical(value)
