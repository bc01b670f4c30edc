"""The fast ways give the very bytes of the slow ones."""

import json

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_governance_core.group import group_value, parse_group, signed_bytes, verify_group
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.records import CommandRecord, Commitment, DecisionRecord, OutcomeRecord, Personal
from metaqore_governance_core.writer_state import OpenDecision, WriterState
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool.frames import frame, frames, next_frame
from metaqore_mesh.spool.groups import GroupSigner, group_bytes, head_bytes, stored_group
from metaqore_mesh.spool.record_codec import decode_record, encode_record, records_in
from metaqore_mesh.spool.segments import header, state_in

KEY = WriterKey("gw-" + "a" * 26, Ed25519PrivateKey.from_private_bytes(b"k" * 32))

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(0, 2**53 - 1)
commitments = st.builds(Commitment, texts, texts, numbers)
decisions = st.builds(
    DecisionRecord,
    caller=texts,
    door=texts,
    findings=st.dictionaries(st.text(st.characters(max_codepoint=127)), numbers),
    model=texts,
    organization=texts,
    organization_sequence=numbers,
    personal=st.builds(Personal, texts),
    policy=texts,
    policy_version=texts,
    project=st.none() | texts,
    prompt=commitments,
    reasons=st.lists(texts).map(tuple),
    receipt=texts,
    sensitivity=texts,
    sensitivity_sources=st.lists(texts).map(tuple),
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
    findings=st.dictionaries(st.text(st.characters(max_codepoint=127)), numbers),
    organization=texts,
    organization_sequence=numbers,
    personal=st.builds(Personal, texts),
    policy=texts,
    policy_version=texts,
    project=st.none() | texts,
    reasons=st.lists(texts).map(tuple),
    receipt=texts,
    sensitivity=texts,
    sensitivity_sources=st.lists(texts).map(tuple),
    sequence=numbers,
    target=st.lists(texts).map(tuple),
    time_us=numbers,
    tool=texts,
    verb=texts,
    verdict=texts,
    writer=texts,
)


@settings(max_examples=60)
@given(decisions | outcomes | commands)
def test_a_record_is_written_in_canonical_form_and_read_back(record):
    raw = encode_record(record)
    assert raw == rfc8785.dumps(json.loads(raw))
    assert decode_record(raw) == record


def test_a_record_of_a_kind_that_is_not_known_yet_is_refused():
    with pytest.raises(msgspec.MsgspecError):
        decode_record(b'{"kind":"opinion"}')


@settings(max_examples=25)
@given(st.lists(decisions | outcomes | commands, min_size=1, max_size=5), numbers.filter(bool), numbers)
def test_a_group_is_the_one_that_the_rules_write(records, first_sequence, time_us):
    raw = [encode_record(record) for record in records]
    signed = GroupSigner(KEY, lambda: time_us).sign(first_sequence, list(map(leaf_hash, raw)))
    value = group_bytes(signed, raw)
    assert head_bytes(signed.head) == signed_bytes(signed.head)
    assert value == group_value(signed.head, signed.signature, raw)
    verify_group(parse_group(value), KEY.public_bytes)
    assert records_in(value) == raw
    stored = stored_group(value)
    assert (stored.first_sequence, stored.count) == (first_sequence, len(raw))


@given(st.lists(st.binary(min_size=1)), st.binary(max_size=7))
def test_frames_come_back_and_a_torn_one_does_not(payloads, torn):
    content = b"".join(map(frame, payloads))
    assert [payload for _, payload in frames(content + torn)] == payloads


@given(st.binary(), st.binary(), st.binary())
def test_a_sound_frame_behind_a_bad_one_is_found(bad, between, payload):
    before = b"\xff" * 8 + bad
    content = before + between + frame(b"{" + payload)
    found = next_frame(content, 0, b"{")
    assert found is not None
    assert found <= len(before + between)


states = st.builds(
    WriterState,
    next_sequence=numbers,
    organization_sequences=st.dictionaries(texts, numbers),
    open=st.dictionaries(
        texts,
        st.builds(OpenDecision, *[texts] * 5, st.lists(texts).map(tuple), texts, numbers, texts),
    ),
)


@given(states)
def test_a_header_gives_back_the_state(state):
    assert state_in(header("gw-x", state), "gw-x") == state


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"format":"metaqore-spool/v1","state":{},"writer":"gw-x"}'])
def test_what_is_no_header_is_said_not_to_be(payload):
    with pytest.raises(ValueError, match="no header"):
        state_in(payload, "gw-x")
