"""What becomes of a writer's group, as a table and for every order of arrivals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_compliance_auditor.domain.admission import Append, Hold, Skip, WriterPosition, admit, advance, overlap
from metaqore_compliance_auditor.domain.groups import Facts, Leaf, Refused, SignedGroup
from metaqore_governance_core.group import GroupHead
from metaqore_governance_core.merkle import leaf_hash

WRITER = "gw-alpha"


def leaf(sequence, number=None, organization="org_acme", salt=""):
    record = f"{organization} {sequence} {number} {salt}".encode()
    facts = Facts("decision", organization, number or sequence, "receipt", sequence, f"task {sequence}", 0, WRITER)
    return Leaf(record, leaf_hash(record), facts)


def group(*leaves):
    head = GroupHead(len(leaves), leaves[0].facts.sequence, "key", "root", 0, WRITER)
    return SignedGroup(head, b"", leaves)


def hashes(*leaves):
    return {each.facts.sequence: each.hash for each in leaves}


AT_2 = WriterPosition(2, {"org_acme": 2})


@pytest.mark.parametrize(
    ("position", "arrived", "known", "then"),
    [
        pytest.param(WriterPosition(), group(leaf(1)), {}, Append((leaf(1),)), id="the first record of a writer"),
        pytest.param(AT_2, group(leaf(3), leaf(4)), {}, Append((leaf(3), leaf(4))), id="what follows"),
        pytest.param(AT_2, group(leaf(1), leaf(2)), hashes(leaf(1), leaf(2)), Skip(), id="what is here already"),
        pytest.param(AT_2, group(leaf(2), leaf(3)), hashes(leaf(2)), Append((leaf(3),)), id="what is new in a group"),
        pytest.param(AT_2, group(leaf(4)), {}, Hold(3), id="a gap waits"),
    ],
)
def test_what_happens(position, arrived, known, then):
    assert admit(position, arrived, known) == then


@pytest.mark.parametrize(
    ("arrived", "known", "code"),
    [
        pytest.param(group(leaf(2, salt="x")), hashes(leaf(2)), "sequence_conflict", id="another record"),
        pytest.param(group(leaf(2)), {}, "sequence_conflict", id="a sequence that the store has lost"),
        pytest.param(
            group(leaf(2, salt="x"), leaf(3)), hashes(leaf(2)), "sequence_conflict", id="a group with one such record"
        ),
        pytest.param(group(leaf(3, number=4)), {}, "organization_sequence_mismatch", id="a skipped number"),
        pytest.param(group(leaf(3, number=2)), {}, "organization_sequence_mismatch", id="a repeated number"),
        pytest.param(
            group(leaf(3, number=3, organization="org_globex")),
            {},
            "organization_sequence_mismatch",
            id="another organization's number",
        ),
    ],
)
def test_what_is_refused(arrived, known, code):
    with pytest.raises(Refused) as refused:
        admit(AT_2, arrived, known)
    assert refused.value.code == code


@st.composite
def writings(draw):
    """A writer's records over three organizations, cut into groups."""
    count = draw(st.integers(1, 40))
    numbers = {}
    leaves = []
    for sequence in range(1, count + 1):
        organization = draw(st.sampled_from(["org_a", "org_b", "org_c"]))
        numbers[organization] = numbers.get(organization, 0) + 1
        leaves.append(leaf(sequence, numbers[organization], organization))
    cuts = sorted(draw(st.sets(st.integers(1, count - 1), max_size=10))) if count > 1 else []
    bounds = zip([0, *cuts], [*cuts, count], strict=True)
    return leaves, [group(*leaves[low:high]) for low, high in bounds]


@settings(deadline=None)
@given(writings(), st.data())
def test_every_record_is_appended_once_and_in_order_however_groups_arrive(writing, data):
    leaves, groups = writing
    arrivals = data.draw(st.lists(st.sampled_from(groups), max_size=60))
    position, log = WriterPosition(), []
    # At last the writer sends everything again, as it does until all is sealed.
    for arrived in [*arrivals, *groups]:
        known = {sequence: log[sequence - 1].hash for sequence in overlap(position, arrived)}
        verdict = admit(position, arrived, known)
        if isinstance(verdict, Append):
            log += verdict.leaves
            position = advance(position, verdict.leaves)
        elif isinstance(verdict, Hold):
            assert arrived.first > verdict.expected == position.sequence + 1
        assert [each.facts.sequence for each in log] == list(range(1, len(log) + 1))
    assert log == leaves
    assert position.sequence == len(leaves)


@settings(deadline=None)
@given(writings(), st.data())
def test_a_changed_record_never_enters(writing, data):
    leaves, groups = writing
    position, log = WriterPosition(), []
    for arrived in groups:
        verdict = admit(position, arrived, {})
        log += verdict.leaves
        position = advance(position, verdict.leaves)
    victim = data.draw(st.sampled_from(leaves)).facts.sequence
    forged = [
        group(
            *(leaf(each.facts.sequence, salt="x") if each.facts.sequence == victim else each for each in each_.leaves)
        )
        for each_ in groups
    ]
    for arrived in forged:
        known = {sequence: log[sequence - 1].hash for sequence in overlap(position, arrived)}
        if any(each.facts.sequence == victim for each in arrived.leaves):
            with pytest.raises(Refused, match=str(victim)):
                admit(position, arrived, known)
        else:
            assert admit(position, arrived, known) == Skip()
