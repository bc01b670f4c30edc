import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_events import Drafted, Rejected
from metaqore_governance_core.psmp.artifact_state import Body, Content
from metaqore_governance_core.psmp.canonical_state import state_bytes
from metaqore_governance_core.psmp.event_codec import StoredEvent, decode, encode
from metaqore_governance_core.psmp.project import ProjectPolicy

REJECTED = Rejected("ann", 3, 1, "no")
STORED = StoredEvent("artifact.Rejected", 1, {"by": "ann", "at_us": 3, "version": 1, "why": "no"})


def test_an_event_is_a_name_a_schema_and_its_fields():
    assert encode(REJECTED) == STORED
    assert decode(STORED) == REJECTED


def test_an_old_event_is_upcast_step_by_step():
    old = StoredEvent("artifact.Rejected", 1, {"who": "ann", "at_us": 3, "number": 1})
    upcasts = {
        ("artifact.Rejected", 1): lambda data: {"by": data["who"], "at_us": data["at_us"], "number": data["number"]},
        ("artifact.Rejected", 2): lambda data: {
            "by": data["by"],
            "at_us": data["at_us"],
            "version": data["number"],
            "why": "not recorded then",
        },
    }
    assert decode(old, upcasts) == Rejected("ann", 3, 1, "not recorded then")
    assert old.data == {"who": "ann", "at_us": 3, "number": 1}


def test_a_draft_from_before_texts_had_authors_of_their_own_is_read():
    drafted = Drafted("ann", 1, 1, "org", "garden", "mine", Content(Body("d" * 64, "key-1", "text/plain", 3)))
    now = encode(drafted)
    before = StoredEvent(now.name, 1, {name: value for name, value in now.data.items() if name != "text_by"})
    assert decode(before) == drafted


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(StoredEvent("artifact.Sold", 1, {}), id="a name from the future"),
        pytest.param(StoredEvent("artifact.Rejected", 2, STORED.data), id="a schema from the future"),
        pytest.param(StoredEvent("artifact.Rejected", 1, {"by": "ann"}), id="a field is missing"),
    ],
)
def test_what_cannot_be_read_is_named(stored):
    with pytest.raises(MetaQoreError) as error:
        decode(stored)
    assert error.value.code == "event_unreadable"


def test_a_set_has_one_spelling():
    one = ProjectPolicy(veto_roles=frozenset({"a", "b", "c"}))
    other = ProjectPolicy(veto_roles=frozenset({"c", "b", "a"}))
    assert state_bytes(one) == state_bytes(other)
    assert b'"veto_roles":["a","b","c"]' in state_bytes(one)
