"""A group on the wire: every byte of a record is kept, and what does not fit is refused with its cause."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from metaqore_compliance_auditor.adapters.canonical_form import is_canonical
from metaqore_compliance_auditor.adapters.wire import MAX_GROUP_BYTES, parse_group
from metaqore_compliance_auditor.domain.authenticity import WriterKey, authenticate
from metaqore_compliance_auditor.domain.groups import Refused, Unreadable

TASK = "0190a1b2-0000-7000-8000-000000000001"


def test_records_come_out_as_they_came(author):
    records = [author.decision(TASK, note="ü \u2028 \U0001f600"), author.outcome(TASK)]
    group = parse_group(author.group(*records))
    assert [leaf.record for leaf in group.leaves] == records
    assert [leaf.facts.kind for leaf in group.leaves] == ["decision", "outcome"]
    authenticate(group, author.trusted)


def test_a_command_names_no_task(author):
    (leaf,) = parse_group(author.group(author.command())).leaves
    assert (leaf.facts.kind, leaf.facts.task) == ("command", None)


@pytest.mark.parametrize("fields", [{"task": TASK}, {"receipt": "me"}, {"kind": "decision"}])
def test_what_does_not_fit_in_a_command_is_refused(author, fields):
    assert refusal(author.group(author.command(**fields)), author) == "malformed_record"


def changed(value, **fields):
    return json.dumps(json.loads(value) | fields, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(value, author):
    with pytest.raises(Refused) as refused:
        authenticate(parse_group(value), author.trusted)
    return refused.value.code


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"null", b"[]", b"{}", b'{"version":1}', b"[" * 100_000, b'{"version":"1"}'],
)
def test_what_is_no_group_is_refused(author, value):
    assert refusal(value, author) == "malformed_group"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"count": 2}, "malformed_group"),
        ({"count": 0, "records": []}, "malformed_group"),
        ({"first_sequence": 0}, "malformed_group"),
        ({"first_sequence": -1}, "malformed_group"),
        ({"first_sequence": 1 << 53}, "malformed_group"),
        ({"first_sequence": 2}, "sequence_mismatch"),
        ({"time_us": 1 << 70}, "malformed_group"),
        ({"time_us": 1}, "bad_signature"),
        ({"writer": "../../etc"}, "malformed_group"),
        ({"writer": "gw-other"}, "writer_mismatch"),
        ({"key_id": "00" * 8}, "unknown_key"),
        ({"root": "zz" * 32}, "malformed_group"),
        ({"root": "AB" * 32}, "malformed_group"),
        ({"root": "ab" * 32}, "root_mismatch"),
        ({"signature": "ab"}, "malformed_group"),
        ({"signature": "ab" * 64}, "bad_signature"),
        ({"records": [1]}, "malformed_record"),
        ({"version": 0}, "malformed_group"),
    ],
)
def test_what_does_not_fit_in_a_head_is_refused(author, fields, code):
    assert refusal(changed(author.group(author.decision(TASK)), **fields), author) == code


def test_a_group_of_a_later_version_waits_for_a_later_auditor(author):
    with pytest.raises(Unreadable):
        parse_group(changed(author.group(author.decision(TASK)), version=2))
    with pytest.raises(Unreadable):
        parse_group(author.group(author.decision(TASK, version=2)))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "gossip"}, "malformed_record"),
        ({"task": "me"}, "malformed_record"),
        ({"receipt": TASK.upper()}, "malformed_record"),
        ({"organization": ""}, "malformed_record"),
        ({"organization": "org acme"}, "malformed_record"),
        ({"organization_sequence": "1"}, "malformed_record"),
        ({"sequence": 7}, "sequence_mismatch"),
        ({"writer": "gw-other"}, "writer_mismatch"),
        ({"score": 0.5}, "record_not_canonical"),
        ({"note": "x" * 65_536}, "record_too_large"),
    ],
)
def test_what_does_not_fit_in_a_record_is_refused_though_it_is_signed(author, fields, code):
    assert refusal(author.group(author.decision(TASK, **fields)), author) == code


def test_another_form_of_the_same_record_is_refused(author):
    record = author.decision(TASK)
    for other in (
        record.replace(b'":', b'" :', 1),
        record.replace(b'{"kind"', b'{"kind":"decision","kind"', 1),
        json.dumps(json.loads(record), sort_keys=True).encode(),
        json.dumps(dict(reversed(json.loads(record).items())), separators=(",", ":")).encode(),
        record.replace(b"org_acme", b"\\u006frg_acme"),
    ):
        assert refusal(author.group(other), author) == "record_not_canonical"


def test_a_group_that_is_too_large_is_refused_unread(author):
    assert refusal(b" " * (MAX_GROUP_BYTES + 1), author) == "group_too_large"


def test_a_writer_signs_for_itself_alone(author, new_author):
    other = new_author(writer="gw-beta", key=author.key)
    assert refusal(other.group(other.decision(TASK)), author) == "writer_mismatch"


def test_no_message_repeats_what_a_record_holds(author):
    secret = "hunter2-secret"
    for value in (
        author.group(author.decision(TASK, kind=secret)),
        author.group(author.decision(TASK, organization=f"a {secret}")),
        changed(author.group(author.decision(TASK)), root=secret),
    ):
        with pytest.raises(Refused) as refused:
            authenticate(parse_group(value), {"x": WriterKey("w", b"")})
        assert secret not in refused.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_canonical_means_rfc_8785(value, ascii_):
    data = json.dumps(value, ensure_ascii=ascii_, separators=(",", ":")).encode(errors="surrogatepass")
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        expected = None
    assert is_canonical(data) is (data == expected)
    if expected is not None:
        assert is_canonical(expected)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_never_canonical(number):
    assert not is_canonical(b'{"a":' + repr(number).encode() + b"}")
