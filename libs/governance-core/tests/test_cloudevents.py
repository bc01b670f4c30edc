import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.contracts.cloudevents import EventAttributes, event_headers, parse_event_headers
from metaqore_governance_core.errors import MetaQoreError

REQUIRED = {"ce_specversion": b"1.0", "ce_type": b"metaqore.task.submitted.v1", "ce_source": b"/client", "ce_id": b"1"}
texts = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=99)


@given(
    st.builds(
        EventAttributes, texts, texts, texts, st.none() | texts, st.none() | texts, st.none() | texts, st.none() | texts
    )
)
def test_attributes_come_back_from_their_headers(attributes):
    assert parse_event_headers(event_headers(attributes)) == attributes


def test_the_headers_are_those_of_the_binding():
    assert event_headers(EventAttributes("1", "/client", "metaqore.task.submitted.v1", receipt="token")) == [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"metaqore.task.submitted.v1"),
        ("ce_source", b"/client"),
        ("ce_id", b"1"),
        ("ce_metaqorereceipt", b"token"),
    ]


def test_other_headers_are_passed_over():
    headers = [("authorization", b"\xff"), ("id", b"2"), *REQUIRED.items(), ("ce_unknown", b"x"), ("traceparent", None)]
    assert parse_event_headers(headers) == EventAttributes("1", "/client", "metaqore.task.submitted.v1")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        *(
            pytest.param({name: missing}, "event_attribute_missing", id=f"{name} {missing}")
            for name in REQUIRED
            for missing in (None, b"")
        ),
        pytest.param({"ce_specversion": b"0.3"}, "event_version_unknown", id="an old version"),
        pytest.param({"ce_id": b"\xff"}, "event_attribute_invalid", id="no UTF-8"),
        pytest.param({"ce_id": b"a\nb"}, "event_attribute_invalid", id="a control character"),
        pytest.param({"ce_source": b"x" * 513}, "event_attribute_invalid", id="a long one"),
        pytest.param({"CE_ID": b"2"}, "event_attribute_invalid", id="one that stands twice"),
    ],
)
def test_what_is_no_event_is_refused(changes, code):
    with pytest.raises(MetaQoreError) as refused:
        parse_event_headers((REQUIRED | changes).items())
    assert refused.value.code == code


def test_a_missing_header_is_named():
    with pytest.raises(MetaQoreError, match="ce_source"):
        parse_event_headers([(name, value) for name, value in REQUIRED.items() if name != "ce_source"])
