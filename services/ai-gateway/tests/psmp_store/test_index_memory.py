"""What a process remembers of the index: never what is not so any more, and enough not to read it again."""

import pytest

from metaqore_ai_gateway.adapters.psmp import index_memory, project_reads
from metaqore_ai_gateway.adapters.psmp.index_memory import IndexMemory, RememberedIndex
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.standing import Found, Holder
from metaqore_ai_gateway.service.psmp.transact import _Shared
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.artifact_state import Dependency, Phase
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, KeyKind

OF = ("acme", "garden")
NUMPY = ConflictKey(*OF, KeyKind.PYTHON, "", "numpy")
REACT = ConflictKey(*OF, KeyKind.NPM, "", "react")


def member(name, text="^18", kind="peerDependencies"):
    """What the manifest in a folder of its own asks for."""
    return [Dependency("npm", "react", text, kind=kind, manifest=f"{name}/package.json")]


@pytest.fixture
def read(monkeypatch):
    """The keys that are read from the database from now on."""
    keys = []
    found = RememberedIndex.learn

    def learn(self, key, rows):
        keys.append(key)
        return found(self, key, rows)

    monkeypatch.setattr(RememberedIndex, "learn", learn)
    return keys


async def test_a_package_that_others_name_is_read_once(team, read):
    for name in ("one", "two", "three", "four", "five"):
        await team.propose(name, paths=[f"{name}.py"], needs=["numpy>=2"])
    # Until two of different parties are known to declare it, each that comes may be news.
    assert read.count(NUMPY) == 3
    outcome = await team.propose("six", needs=["numpy<2"])
    assert team.phase(outcome, "six") is Phase.BLOCKED
    assert read.count(NUMPY) == 3


async def test_a_package_that_members_of_a_tree_name_is_read_once(team, read):
    for name in ("one", "two", "three", "four", "five"):
        await team.propose(name, needs=member(name))
    assert read.count(REACT) == 3
    outcome = await team.propose("six", needs=member("six", "^17"))
    assert team.phase(outcome, "six") is Phase.BLOCKED
    assert read.count(REACT) == 3


async def test_a_new_form_is_seen_by_the_next(team):
    for name in ("one", "two", "three"):
        await team.propose(name, needs=["numpy>=1"])
    await team.propose("four", needs=["numpy>=2"])
    outcome = await team.propose("five", needs=["numpy<2"])
    assert team.phase(outcome, "five") is Phase.BLOCKED
    await team.do(team.ask("four", c.Reject, "no", by=team.bob))
    assert (await team.state(team.queues._store, "five")).versions[-1].phase is Phase.PROPOSED


async def test_what_another_process_writes_is_seen(team, pool):
    other = type(team)(ProjectQueues(PostgresProjectStore(pool)))
    other.clock = team.clock
    for name in ("one", "two", "three"):
        await team.propose(name, needs=["numpy>=1"])
    await other.propose("four", needs=["numpy>=2"])
    outcome = await team.propose("five", needs=["numpy<2"])
    assert team.phase(outcome, "five") is Phase.BLOCKED


async def test_what_is_not_committed_is_not_remembered(team, store):
    for name in ("one", "two", "three"):
        await team.propose(name, needs=["numpy>=1"])
    proposal = team.submission(*team.proposal("four", needs=["numpy>=2"]))
    with pytest.raises(RuntimeError, match="before it is committed"):
        await _fail_after(store, proposal)
    outcome = await team.propose("five", needs=["numpy<2"])
    assert team.phase(outcome, "five") is Phase.PROPOSED


async def _fail_after(store, submission):
    async with store.open(*OF) as opened:
        await _Shared(opened, *OF).run([submission])
        raise RuntimeError("before it is committed")


async def test_a_dry_run_leaves_what_is_remembered(team, read):
    for name in ("one", "two", "three"):
        await team.propose(name, needs=["numpy>=2"])
    before = read.count(NUMPY)
    await team.do(*team.proposal("four", needs=["numpy>=3"]), dry_run=True)
    outcome = await team.propose("five", needs=["numpy<3,>=2"])
    assert team.phase(outcome, "five") is Phase.PROPOSED
    assert read.count(NUMPY) == before


class TestBounds:
    def index(self, size, stamp=(1, 1)):
        index = RememberedIndex(stamp)
        rows = [(b"form", Found(Holder(f"a{at}", 1), ())) for at in range(size - 1)]
        index.learn(NUMPY, rows)
        return index

    def test_a_project_at_another_stamp_is_forgotten(self):
        memory = IndexMemory()
        memory.give(*OF, self.index(3))
        assert memory.take(*OF, (1, 2)).found([NUMPY]) == {}
        assert memory.take(*OF, (1, 1)).found([NUMPY]) == {}, "it was taken"

    def test_what_was_not_used_for_longest_goes_first(self, monkeypatch):
        monkeypatch.setattr(index_memory, "MOST", 10)
        memory = IndexMemory()
        for project in ("a", "b", "c"):
            memory.give("acme", project, self.index(4))
        assert memory.take("acme", "a", (1, 1)).size == 0
        assert memory.take("acme", "b", (1, 1)).size == 4
        assert memory.take("acme", "c", (1, 1)).size == 4

    def test_one_project_alone_is_bounded_too(self, monkeypatch):
        monkeypatch.setattr(index_memory, "MOST", 10)
        assert self.index(20).size == 0

    def test_paths_are_not_remembered(self):
        index = RememberedIndex((1, 1))
        index.learn(ConflictKey(*OF, KeyKind.PATH, "", "a.py"), [])
        assert index.size == 0


async def test_what_is_remembered_is_what_stands(team, store, pool):
    """Under any order of coming and going, each form is known, and two parties of it where there are two."""
    names = [f"a{at}" for at in range(8)]
    for at in range(40):
        name = names[at * 5 % 8]
        await team.propose(name, needs=[f"numpy>={at % 3}"])
        if at % 3 == 0:
            await team.activate(name)
        if at % 7 == 0:
            await team.do(Asked(Ref(Kind.ARTIFACT, name), c.Retire(team.bob, next(team.clock), "done")))
        async with store.open(*OF) as warm:
            sampled = await warm.sample([NUMPY])
        async with PostgresProjectStore(pool).open(*OF) as cold:
            fresh, everything = await cold.sample([NUMPY]), await cold.complete([NUMPY])
        for some in (sampled, fresh):
            assert _forms(some[NUMPY]) == _forms(everything[NUMPY])


def _forms(found):
    """For each text, whether there are two different parties of it."""
    parties = {}
    for one in found:
        parties.setdefault(one.entries[0].text, set()).add(one.holder.party)
    return {text: len(some) > 1 for text, some in parties.items()}


async def test_a_path_that_very_many_share_is_judged_like_any_other(team, store):
    """More than are read at once: they all wrote below a folder, or moved the same file away."""
    for at in range(project_reads.FEW + 3):
        await team.propose(f"below-{at}", paths=[f"docs/{at}.md"])
    below = ConflictKey(*OF, KeyKind.BELOW, "", "docs")
    async with store.open(*OF) as opened:
        sampled, everything = await opened.sample([below]), await opened.complete([below])
    assert {one.entries[0].path for one in sampled[below]} == {one.entries[0].path for one in everything[below]}
    outcome = await team.propose("file", paths=["docs"])
    assert team.phase(outcome, "file") is Phase.BLOCKED
