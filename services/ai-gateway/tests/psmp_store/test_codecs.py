"""What is stored of events and states: canonical where it is kept for ever, and read back as it was."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_ai_gateway.adapters.psmp.entry_codec import decode_entries, encode_entries
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_event, decode_state, encode_event, encode_state
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.canonical_state import state_bytes
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.go_requirements import GoKind, GoRequirement
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, PathUse
from metaqore_governance_core.psmp.conflicts.python_requirements import python_requirement
from metaqore_governance_core.psmp.event_codec import EVENT_CLASSES, StoredEvent, decode, encode
from metaqore_governance_core.psmp.project import ApprovalRule, Project
from metaqore_governance_core.psmp.work import Work

st.register_type_strategy(int, st.integers(-(2**53) + 1, 2**53 - 1))
st.register_type_strategy(ApprovalRule, st.builds(ApprovalRule, st.text(min_size=1), st.integers(1, 9)))
STATES = {Kind.ARTIFACT: Artifact, Kind.PROJECT: Project, Kind.TASK: Work}


@given(st.sampled_from(list(EVENT_CLASSES.values())).flatmap(st.from_type))
@settings(max_examples=500, deadline=None)
def test_an_event_is_stored_as_the_core_spells_it_and_by_rfc_8785(event):
    name, schema, body = encode_event(event)
    assert decode_event(name, schema, body) == event
    assert canonical(msgspec.json.decode(body)) == body
    stored = encode(event)
    assert (name, schema) == (stored.name, stored.schema)
    assert decode(StoredEvent(name, schema, msgspec.json.decode(body))) == event


@given(st.sampled_from(list(STATES)).flatmap(lambda kind: st.tuples(st.just(kind), st.from_type(STATES[kind]))))
@settings(max_examples=200, deadline=None)
def test_a_state_comes_back_as_it_was_and_is_written_as_the_core_writes_it(given_):
    kind, state = given_
    assert decode_state(kind, encode_state(state)) == state
    assert encode_state(state) == state_bytes(state)


def test_what_an_older_version_wrote_is_read_with_what_came_since_at_its_default():
    body = b'{"name":"one","versions":[]}'
    assert decode_state(Kind.ARTIFACT, body) == Artifact(name="one")


@pytest.mark.parametrize(
    ("name", "schema", "body"),
    [
        pytest.param("artifact.Sold", 1, b"{}", id="a name from the future"),
        pytest.param("artifact.Rejected", 2, b"{}", id="a schema from the future"),
        pytest.param("artifact.Rejected", 1, b'{"by":"ann"}', id="a field is missing"),
    ],
)
def test_an_event_that_cannot_be_read_is_named(name, schema, body):
    with pytest.raises(MetaQoreError) as error:
        decode_event(name, schema, body)
    assert error.value.code == "event_unreadable"


def party(name, *, by="ann"):
    return Party(name, 3, by, "as its manifest has it")


ENTRIES = [
    PathClaim(party("one"), 'a "b"/\u00e9\u2028.py'),
    PathClaim(party("one"), "a", PathUse.VACATES, "b"),
    python_requirement(party("one"), "numpy>=2; python_version < '3.12'", scope="test", environment="os_name == 'nt'"),
    NpmRequirement(party("one"), "left-pad", "^1", NpmKind.PEER, "package.json", root=True, via="via", selector="sel"),
    CargoRequirement(party("one"), "serde", "1"),
    CargoLink(party("one"), "z", "libz-sys"),
    MavenRequirement(party("one"), "g:a", "[1,2)"),
    GoRequirement(party("one"), "example.com/a", "v1.0.0", GoKind.REPLACE, "folder b"),
    TaskHold(party("one"), "task-1", "ann", 1, 2),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda one: type(one).__name__)
def test_what_is_declared_comes_back_as_another_partys_too(entry):
    form, body = encode_entries([entry])
    assert decode_entries("one", 3, body) == (entry,)
    other = replace(entry, party=party("two", by="bob"))
    assert decode_entries("two", 3, encode_entries([other])[1]) == (other,)
    assert encode_entries([other])[0] == form, "the form is without by whom"
    assert canonical(msgspec.json.decode(body)) == body


@pytest.mark.parametrize(
    ("kind", "root", "alike"),
    [
        pytest.param(NpmKind.PEER, False, True, id="a member's peer"),
        pytest.param(NpmKind.DEPENDENCY, False, True, id="a member's dependency"),
        pytest.param(NpmKind.OVERRIDE, False, False, id="an override counts in its own folder alone"),
        pytest.param(NpmKind.WORKSPACES, False, False, id="so do workspaces"),
        pytest.param(NpmKind.PEER, True, False, id="the root is told apart"),
    ],
)
def test_what_members_of_a_tree_ask_for_is_alike_in_each_folder(kind, root, alike):
    def form(folder):
        return encode_entries([NpmRequirement(party("one"), "react", "^18", kind, f"{folder}/package.json", root)])[0]

    assert (form("a") == form("b")) is alike
