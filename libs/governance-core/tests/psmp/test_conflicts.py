"""Paths, ownership and the judgement of one declaration among many."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.declaration import Declaration, KeyKind
from metaqore_governance_core.psmp.conflicts.intervals import Interval, Intervals
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold, ownership_conflicts
from metaqore_governance_core.psmp.conflicts.paths import checked_path, path_claims, path_key
from metaqore_governance_core.psmp.conflicts.python_requirements import python_requirement


def writes(name, *paths, renames=()):
    party = Party(name, 1, f"agent-{name}", ", ".join(paths))
    return Declaration("org", "garden", party, tuple(path_claims(party, paths, renames)))


def needs(name, *lines, environment=""):
    entries = tuple(python_requirement(Party(name, 1, f"agent-{name}", line), line) for line in lines)
    return Declaration("org", "garden", Party(name, 1, f"agent-{name}", ""), entries, environment)


def index(*declarations):
    rows = {}
    for declaration in declarations:
        for key, entry in declaration.stored():
            rows.setdefault(key, []).append(entry)
    return rows


def judged(declaration, *standing):
    rows = index(*standing)
    return conflicts_of(declaration, {key: rows[key] for key in declaration.read() if key in rows})


@pytest.mark.parametrize(
    ("standing", "incoming", "type_"),
    [
        pytest.param(writes("a", "x.py"), writes("b", "x.py"), ConflictType.PATH_SAME, id="the same path"),
        pytest.param(
            writes("a", "x"), writes("b", "x/y.py"), ConflictType.PATH_PARENT, id="a file is another's folder"
        ),
        pytest.param(writes("a", "x/y/z.py"), writes("b", "x"), ConflictType.PATH_PARENT, id="or the other way round"),
        pytest.param(writes("a", "X"), writes("b", "x/y.py"), ConflictType.PATH_PARENT, id="in whatever case"),
        pytest.param(writes("a", "README.md"), writes("b", "readme.md"), ConflictType.PATH_CASE, id="case alone"),
        pytest.param(
            writes("a", "stra\u00dfe"), writes("b", "STRASSE"), ConflictType.PATH_CASE, id="case of any letter"
        ),
        pytest.param(
            writes("a", "caf\u00e9.md"), writes("b", "cafe\u0301.md"), ConflictType.PATH_UNICODE, id="form alone"
        ),
        pytest.param(
            writes("a", "src/a.py"), writes("b", "src/a\u200b.py"), ConflictType.PATH_UNICODE, id="an unseen character"
        ),
        pytest.param(writes("a", "a.py"), writes("b", "a.py. "), ConflictType.PATH_UNICODE, id="an unseen end"),
        pytest.param(
            writes("a", "src/a"),
            writes("b", "src/a.\u200b"),
            ConflictType.PATH_UNICODE,
            id="an unseen character at the end",
        ),
        pytest.param(writes("a", "src/a.py"), writes("b", "src /A.py"), ConflictType.PATH_CASE, id="case and an end"),
        pytest.param(
            writes("a", renames=[("x", "y")]), writes("b", "x"), ConflictType.PATH_RENAME, id="renamed away and written"
        ),
        pytest.param(
            writes("a", renames=[("x", "y")]),
            writes("b", renames=[("x", "z")]),
            ConflictType.PATH_RENAME,
            id="renamed to two names",
        ),
        pytest.param(
            writes("a", renames=[("x", "y")]), writes("b", "y"), ConflictType.PATH_SAME, id="renamed onto another's"
        ),
    ],
)
def test_paths_that_clash(standing, incoming, type_):
    (found,) = judged(incoming, standing)
    assert found.type is type_
    assert found.blocks
    assert {party.by for party in found.clashing} == {"agent-a", "agent-b"}
    assert all(party.by in found.explanation for party in found.clashing)
    assert judged(standing, incoming)[0].id == found.id


@given(st.lists(st.sampled_from("aI\u0130\u00df\u00e9\u0301\ufb01. /\u200b\u00ad\u0345"), max_size=8).map("".join))
def test_what_paths_share_is_one_of_them(path):
    assert path_key(path_key(path)) == path_key(path)
    assert {path_key(unicodedata.normalize(form, path)) for form in ("NFC", "NFD")} == {path_key(path)}


@pytest.mark.parametrize("filler", [" ", ".", " .", "\u200b", "\u200b "])
def test_a_path_of_many_spaces_or_dots_is_read_at_once(filler):
    path = filler * (1000 // len(filler)) + "a"
    began = time.process_time()
    for _ in range(2000):
        path_key(path)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("standing", "incoming"),
    [
        pytest.param(writes("a", "x/y.py"), writes("b", "x/z.py"), id="one folder"),
        pytest.param(writes("a", "x"), writes("a", "x"), id="versions of one artifact succeed each other"),
        pytest.param(writes("a", "xy"), writes("b", "x/y"), id="a common beginning"),
        pytest.param(writes("a", "x"), writes("a", renames=[("x", "X")]), id="one's own name in another case"),
    ],
)
def test_paths_that_do_not(standing, incoming):
    assert judged(incoming, standing) == ()


BELOW = [writes(f"a{at}", f"x/{at}.py") for at in range(4)]


def test_all_who_need_a_folder_where_one_has_a_file_are_one_conflict():
    (found,) = judged(writes("own", "x"), *BELOW)
    assert {party.artifact for party in found.parties} == {"own", "a0", "a1", "a2", "a3"}
    assert {party.artifact for party in found.clashing} == {"own", "a0"}
    assert "3 more" in found.explanation
    (again,) = judged(writes("own", "x"), *BELOW[::-1])
    assert again == found


def test_one_who_needs_a_folder_many_times_where_one_has_a_file_is_one_conflict():
    (found,) = judged(writes("own", *(f"x/{at}" for at in range(40))), writes("a", "x"), writes("b", "y"))
    assert {party.artifact for party in found.clashing} == {"own", "a"}
    assert len(found.parties) == 41
    assert {one.key for one in judged(writes("own", "x/1", "y/1"), writes("a", "x"), writes("b", "y"))} == {
        "path:x",
        "path:y",
    }


def test_whoever_of_them_leaves_the_others_stay_in_the_way():
    (all_,) = judged(writes("own", "x"), *BELOW)
    (without_last,) = judged(writes("own", "x"), *BELOW[:-1])
    assert without_last.id == all_.id, "who left was not named"
    (without_first,) = judged(writes("own", "x"), *BELOW[1:])
    assert {party.artifact for party in without_first.clashing} == {"own", "a1"}
    assert judged(writes("own", "x")) == ()


def test_who_has_a_file_and_needs_its_folder_clashes_on_either_side():
    mine = writes("own", "x", "x/y")
    assert judged(mine) == ()
    for other in (writes("a", "x/z"), writes("z", "x/z")):
        (found,) = judged(mine, other)
        assert {(party.artifact, party.declares) for party in found.clashing} == {
            ("own", "writes x"),
            (other.party.artifact, "writes x/z"),
        }


@pytest.mark.parametrize("path", ["", "/x", "x/", "x//y", "../x", "x/./y", "x\\y", "x\ny", "x" * 5000])
def test_a_path_stays_inside_the_project(path):
    with pytest.raises(MetaQoreError) as error:
        checked_path(path)
    assert error.value.code == "path_invalid"


def test_two_agents_that_pin_incompatible_versions_are_told_who_what_and_how():
    (found,) = judged(needs("b", "numpy>=2"), needs("a", "numpy<2"))
    assert found.type is ConflictType.PYTHON_VERSIONS
    assert found.severity is Severity.BLOCKING
    for told in ("agent-a", "agent-b", "numpy<2", "numpy>=2", "Widen"):
        assert told in found.explanation


def test_a_third_that_is_compatible_is_not_stopped():
    assert judged(needs("c", "numpy>=1.5"), needs("a", "numpy<2"), needs("b", "numpy>=1")) == ()


def test_nobody_is_stopped_for_a_clash_of_two_others_and_none_hides_one_s_own():
    others = needs("a", "numpy<2"), needs("b", "numpy>=2")
    assert judged(needs("c", "numpy"), *others) == ()
    (found,) = judged(needs("c", "numpy==3"), *others)
    assert {party.artifact for party in found.clashing} == {"a", "c"}


def test_all_are_judged_together_and_the_least_is_named():
    standing = needs("a", "n>=1,<3"), needs("b", "n!=1.*"), needs("d", "n>=0.5")
    (found,) = judged(needs("c", "n!=2.*"), *standing)
    assert {party.artifact for party in found.clashing} == {"a", "b", "c"}
    assert {party.artifact for party in found.parties} == {"a", "b", "c", "d"}


def test_environments_of_their_own_do_not_meet():
    assert judged(needs("b", "numpy>=2", environment="gpu"), needs("a", "numpy<2")) == ()


def test_a_proposal_reads_only_what_shares_a_key():
    declaration = writes("b", "src/app/main.py")
    assert {(key.kind, key.name) for key in declaration.read()} == {
        (KeyKind.PATH, "src/app/main.py"),
        (KeyKind.PATH, "src/app"),
        (KeyKind.PATH, "src"),
        (KeyKind.BELOW, "src/app/main.py"),
    }


def test_npm_nests_what_two_manifests_want_and_warns():
    def asks(path, text):
        party = Party(path, 1, f"agent of {path}", "")
        document = f'{{"dependencies": {{"foo": "{text}"}}}}'
        return Declaration("org", "garden", party, package_json(party, document, path).entries)

    (found,) = judged(asks("b/package.json", "^2"), asks("a/package.json", "^1"))
    assert (found.type, found.severity) == (ConflictType.NPM_NESTED, Severity.WARNING)


def hold(name, agent, from_us=0, until_us=None):
    return TaskHold(Party(name, 1, agent, "task-1"), "task-1", agent, from_us, until_us)


def test_a_task_has_one_holder_at_a_time():
    (found,) = ownership_conflicts([hold("x", "ann"), hold("y", "bob"), hold("z", "ann")])
    assert found.suggestion is Choice.KEEP_EXISTING
    assert {party.by for party in found.clashing} == {"ann", "bob"}
    assert len(found.parties) == 3
    assert ownership_conflicts([hold("x", "ann", 0, 10), hold("y", "bob", 10)]) == []
    assert ownership_conflicts([hold("x", "ann"), hold("y", "ann")]) == []


SPECIFIERS = st.sampled_from(
    ["n<2", "n>=2", "n~=1.4", "n!=1.5", "n==1.*", "n>1,<3", "n>=2; python_version<'3.10'", "n"]
)
PATHS = st.sampled_from(["x", "x/y", "X/z", "x/y/z", "y", "Y"])
LOTS = st.lists(st.tuples(SPECIFIERS, PATHS), min_size=2, max_size=6)


def declared(number, line, path):
    name = f"a{number}"
    party = Party(name, 1, f"agent-{name}", line)
    return Declaration("org", "garden", party, (python_requirement(party, line), *path_claims(party, [path])))


@given(LOTS, st.randoms(use_true_random=False))
def test_no_order_lets_a_clash_slip_through(lots, chance):
    """Accept one after another, each judged by the index alone: what is accepted stands together."""
    declarations = [declared(number, *one) for number, one in enumerate(lots)]
    chance.shuffle(declarations)
    accepted = []
    for one in declarations:
        if not any(found.blocks for found in judged(one, *accepted)):
            accepted.append(one)
    for one in accepted:
        assert not any(found.blocks for found in judged(one, *[other for other in accepted if other is not one]))


@given(LOTS)
def test_the_index_misses_nothing(lots):
    first, *others = [declared(number, *one) for number, one in enumerate(lots)]
    assert judged(first, *others) == conflicts_of(first, index(*others))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)))
)
def test_intervals_are_sets(one, other):
    def made(pairs):
        return Intervals.of(Interval((low,), (high,)) for low, high in pairs)

    def held(intervals):
        return {number for number in range(10) if (number,) in intervals}

    assert held(made(one).meet(made(other))) == held(made(one)) & held(made(other))
    assert held(made(one).join(made(other))) == held(made(one)) | held(made(other))
    assert made(one).is_empty == (not held(made(one)))
    shuffled = sorted(one, reverse=True)
    assert made(shuffled) == made(one)
