"""Projects, artifacts and tasks by their ids and in pages, now and then."""

import pytest

from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtTime, AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import project, work
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.project import ProjectState
from metaqore_governance_core.psmp.work import WorkState

pytestmark = pytest.mark.slow

OF = ("acme", "garden")


def task(team, id_="t1", command=work.Open, *rest):
    rest = rest or (id_, *OF, "Dig") if command is work.Open else rest
    return Asked(Ref(Kind.TASK, id_), command(team.ann, next(team.clock), *rest))


async def everything(read, size=2):
    """All that the pages hold, and how many pages there were."""
    found, token, pages = [], "", 0
    while True:
        page = await read(Wanted(token, size))
        found += page.found
        token, pages = page.next, pages + 1
        if not token:
            return found, pages


async def refused(awaitable):
    with pytest.raises(MetaQoreError) as error:
        await awaitable
    return error.value.code


class TestOne:
    async def test_each_has_its_id_its_revision_and_the_version_of_its_project(self, team, readings, ann):
        await team.stand("one")
        await team.do(task(team))
        found = await readings.project(ann, "garden")
        assert (found.id, found.revision, found.project_version) == ("garden", 1, 5)
        found = await readings.artifact(ann, artifact_id(*OF, "one"))
        assert (found.artifact.name, found.project, found.revision, found.project_version) == ("one", "garden", 3, 5)
        found = await readings.task(ann, "t1")
        assert (found.work.title, found.project, found.revision) == ("Dig", "garden", 1)

    async def test_a_version_by_its_number_and_the_newest(self, team, readings, ann):
        await team.stand("one", body="1")
        await team.propose("one", body="2")
        id_ = artifact_id(*OF, "one")
        assert (await readings.version(ann, id_, 1))[1].phase is Phase.ACTIVE
        assert (await readings.version(ann, id_, 0))[1].number == 2
        assert await refused(readings.version(ann, id_, 3)) == "version_not_found"
        assert await refused(readings.version(ann, id_, -1)) == "version_not_found"

    async def test_each_as_it_was(self, team, readings, ann, checkpoints):
        await team.propose("one")
        await checkpoints.take(*OF, "then", by="ann", at_us=1)
        await team.activate("one")
        id_ = artifact_id(*OF, "one")
        for point in (AtVersion(3), AtCheckpoint("then")):
            then = await readings.artifact(ann, id_, point)
            assert (then.artifact.versions[0].phase, then.revision, then.project_version) == (Phase.PROPOSED, 2, 3)
        assert await refused(readings.artifact(ann, id_, AtVersion(1))) == "artifact_not_found"
        assert await refused(readings.artifact(ann, id_, AtVersion(99))) == "version_not_found"
        assert await refused(readings.artifact(ann, id_, AtCheckpoint("none"))) == "checkpoint_not_found"
        assert await refused(readings.project(ann, "garden", AtTime(0))) == "project_not_found"

    @pytest.mark.usefixtures("team")
    async def test_what_is_not_there_is_not_found(self, readings, ann):
        assert await refused(readings.project(ann, "none")) == "project_not_found"
        assert await refused(readings.project(ann, "")) == "project_not_found"
        assert await refused(readings.artifact(ann, "none")) == "artifact_not_found"
        assert await refused(readings.task(ann, "none")) == "task_not_found"
        assert await refused(readings.artifacts(ann, "none", Wanted())) == "project_not_found"

    async def test_who_may_not_read_is_told_so(self, team, readings):
        caller = Caller("key", "acme", "ann", frozenset())
        assert await refused(readings.project(caller, team.project)) == "missing_scope"
        assert await refused(readings.artifacts(caller, team.project, Wanted())) == "missing_scope"
        assert await refused(readings.events(caller, team.project, 0)) == "missing_scope"
        assert await refused(anext(readings.body(caller, "any", 1))) == "missing_scope"

    async def test_a_body_is_read_until_it_is_erased(self, team, readings, ann):
        await team.propose("one", body="a")
        id_ = artifact_id(*OF, "one")
        assert [piece async for piece in readings.body(ann, id_, 1)] == [b"acme a"]
        await team.do(team.ask("one", c.EraseBody, "law"))
        assert await refused(anext(readings.body(ann, id_, 1))) == "body_erased"

    async def test_two_tasks_of_one_id_are_refused_in_an_organization(self, team, team_of):
        await team.do(task(team))
        other = team_of(project="yard")
        await other.create()
        opened = work.Open(team.ann, 1, "t1", "acme", "yard", "Dig")
        assert await refused(other.do(Asked(Ref(Kind.TASK, "t1"), opened))) == "task_exists"


class TestPages:
    @pytest.fixture
    async def many(self, team):
        for at in range(7):
            await team.propose(f"a{at}", paths=[f"{at % 5}.py"])
        for at in (0, 2):
            await team.activate(f"a{at}")
        for at in (1, 2, 4):
            labels = (("tier", "gold"), ("n", str(at)))
            described = c.Describe(team.ann, next(team.clock), None, labels)
            await team.do(Asked(Ref(Kind.ARTIFACT, f"a{at}"), described))
        await team.do(*[task(team, f"t{at}") for at in range(4)])
        await team.do(task(team, "t2", work.Claim, 1_000_000))
        return team

    @pytest.mark.usefixtures("many")
    async def test_artifacts_come_by_name(self, readings, ann):
        found, pages = await everything(lambda wanted: readings.artifacts(ann, "garden", wanted))
        assert [one.artifact.name for one in found] == [f"a{at}" for at in range(7)]
        assert pages == 4
        found, pages = await everything(lambda wanted: readings.artifacts(ann, "garden", wanted), size=7)
        assert (len(found), pages) == (7, 1)

    @pytest.mark.usefixtures("many")
    @pytest.mark.parametrize(
        ("filtered", "names"),
        [
            pytest.param({"phase": Phase.ACTIVE}, ["a0", "a2"], id="active"),
            pytest.param({"phase": Phase.BLOCKED}, ["a5", "a6"], id="blocked"),
            pytest.param({"phase": Phase.LAPSED}, [], id="none"),
            pytest.param({"labels": (("tier", "gold"),)}, ["a1", "a2", "a4"], id="by label"),
            pytest.param({"labels": (("tier", "gold"), ("n", "4"))}, ["a4"], id="by labels"),
            pytest.param({"labels": (("tier", "gold"),), "phase": Phase.ACTIVE}, ["a2"], id="by both"),
            pytest.param({"prefix": "a3"}, ["a3"], id="by prefix"),
            pytest.param({"prefix": "b"}, [], id="by a prefix that nothing has"),
        ],
    )
    async def test_artifacts_are_filtered(self, readings, ann, filtered, names):
        for at in (None, AtVersion((await readings.project(ann, "garden")).project_version - 1)):
            found, _ = await everything(
                lambda wanted, at=at: readings.artifacts(ann, "garden", wanted, at=at, **filtered)
            )
            assert [one.artifact.name for one in found] == names

    async def test_the_pages_of_a_chain_are_of_one_version(self, many, readings, ann):
        first = await readings.artifacts(ann, "garden", Wanted(size=3))
        await many.propose("a35")
        await many.activate("a4")
        rest = await readings.artifacts(ann, "garden", Wanted(first.next, 100))
        assert [one.artifact.name for one in (*first.found, *rest.found)] == [f"a{at}" for at in range(7)]
        assert {one.project_version for one in (*first.found, *rest.found)} == {first.found[0].project_version}
        assert rest.found[1].artifact.versions[0].phase is Phase.PROPOSED

    async def test_a_filtered_chain_is_of_one_version_too(self, many, readings, ann):
        first = await readings.artifacts(ann, "garden", Wanted(size=1), phase=Phase.ACTIVE)
        await many.activate("a1")
        rest = await readings.artifacts(ann, "garden", Wanted(first.next, 100), phase=Phase.ACTIVE)
        assert [one.artifact.name for one in (*first.found, *rest.found)] == ["a0", "a2"]

    @pytest.mark.usefixtures("many")
    async def test_tasks_come_by_id_and_by_state(self, readings, ann):
        found, _ = await everything(lambda wanted: readings.tasks(ann, "garden", wanted))
        assert [one.id for one in found] == ["t0", "t1", "t2", "t3"]
        found, _ = await everything(lambda wanted: readings.tasks(ann, "garden", wanted, state=WorkState.OPEN))
        assert [one.id for one in found] == ["t0", "t1", "t3"]
        found, _ = await everything(lambda wanted: readings.tasks(ann, "garden", wanted, state=WorkState.CLAIMED))
        assert [one.id for one in found] == ["t2"]
        at = AtVersion((await readings.project(ann, "garden")).project_version - 1)
        found, _ = await everything(lambda wanted: readings.tasks(ann, "garden", wanted, state=WorkState.OPEN, at=at))
        assert len(found) == 4

    async def test_projects_come_by_id(self, team, team_of, readings, ann, stranger):
        for name in ("attic", "yard"):
            await team_of(project=name).create()
        await team.do(Asked(Ref(Kind.PROJECT, "garden"), project.Freeze(team.ann, 1, "winter")))
        found, _ = await everything(lambda wanted: readings.projects(ann, wanted))
        assert [one.id for one in found] == ["attic", "garden", "yard"]
        found, _ = await everything(lambda wanted: readings.projects(ann, wanted, state=ProjectState.OPEN))
        assert [one.id for one in found] == ["attic", "yard"]
        assert (await readings.projects(stranger, Wanted())).found == ()

    @pytest.mark.usefixtures("team")
    async def test_a_default_project_that_nobody_needed_yet_is_empty(self, readings, ann):
        assert (await readings.artifacts(ann, "", Wanted())).found == ()
        assert (await readings.tasks(ann, "", Wanted())).found == ()
        assert (await readings.checkpoints(ann, "", Wanted())).found == ()
        assert await readings.events(ann, "", 0) == ()
        assert await readings.report(ann, "", Wanted()) == (type(await readings.projects(ann, Wanted()))(()), 0)

    @pytest.mark.usefixtures("many")
    async def test_a_token_belongs_to_its_question(self, readings, ann, stranger):
        token = (await readings.artifacts(ann, "garden", Wanted(size=1))).next
        wanted = Wanted(token, 1)
        assert await refused(readings.artifacts(ann, "garden", wanted, prefix="a")) == "invalid_page_token"
        assert await refused(readings.artifacts(ann, "yard", wanted)) == "invalid_page_token"
        assert await refused(readings.artifacts(stranger, "garden", wanted)) == "invalid_page_token"
        assert await refused(readings.tasks(ann, "garden", wanted)) == "invalid_page_token"
        for text in ("x", "é", token[:-3], token + "AAAA", "bnVsbA", "W10", "A" * 20_000):
            assert await refused(readings.artifacts(ann, "garden", Wanted(text))) == "invalid_page_token"

    @pytest.mark.usefixtures("team")
    async def test_a_page_has_bounds(self, readings, ann):
        for size in (0, -1, 1001):
            assert await refused(readings.artifacts(ann, "garden", Wanted(size=size))) == "invalid_page_size"
            assert await refused(readings.projects(ann, Wanted(size=size))) == "invalid_page_size"
            assert await refused(readings.events(ann, "garden", 0, size)) == "invalid_page_size"


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize("text", ["a\0b", "\ud800", "'; drop table psmp_events; --"])
async def test_what_no_database_holds_is_not_found(readings, ann, text):
    for reading, code in (
        (readings.project(ann, text), "project_not_found"),
        (readings.artifact(ann, text), "artifact_not_found"),
        (readings.artifact(ann, text, AtVersion(1)), "artifact_not_found"),
        (readings.task(ann, text), "task_not_found"),
        (readings.artifacts(ann, text, Wanted()), "project_not_found"),
        (readings.artifacts(ann, "garden", Wanted(), at=AtCheckpoint(text)), "checkpoint_not_found"),
        (readings.conflict(ann, text), "conflict_not_found"),
        (readings.conflicts(ann, "garden", Wanted(), artifact=text), "artifact_not_found"),
        (readings.conflicts(ann, text, Wanted()), "project_not_found"),
        (readings.report(ann, text, Wanted()), "project_not_found"),
        (readings.conflicts(ann, "garden", Wanted(), types=("path_same", text)), "conflict_type_unknown"),
        (readings.events(ann, text, 0), "project_not_found"),
        (readings.checkpoint(ann, text), "checkpoint_not_found"),
        (readings.checkpoints(ann, text, Wanted()), "project_not_found"),
        (readings.diff(ann, text, AtVersion(0), None, Wanted()), "project_not_found"),
        (readings.state_form(ann, text), "project_not_found"),
    ):
        assert await refused(reading) == code
    assert (await readings.artifacts(ann, "garden", Wanted(), prefix=text)).found == ()


@pytest.mark.usefixtures("team")
async def test_numbers_beyond_a_database_are_refused_or_the_last(readings, ann):
    assert (await readings.project(ann, "garden", AtTime(2**80))).project_version == 1
    assert await refused(readings.project(ann, "garden", AtTime(-(2**80)))) == "project_not_found"
    assert await refused(readings.project(ann, "garden", AtVersion(2**80))) == "version_not_found"
    assert await refused(readings.events(ann, "garden", 2**80)) == "invalid_version"
    question = Question("artifacts", ("acme", "garden", None, None, (), ""))
    for place in ((2**80, "a"), (-1, "a"), (1, "a\0"), (True, "a"), (1.5, "a"), ("1", "a")):
        wanted = Wanted(question.token(*place))
        assert await refused(readings.artifacts(ann, "garden", wanted)) == "invalid_page_token"
    far = Question("conflicts", ("acme", "garden", None, (), "", False, None)).token(0, 1, "p", "c", "a", 2**50, 1)
    assert (await readings.conflicts(ann, "garden", Wanted(far))).found == ()


async def test_events_come_in_order_with_what_caused_them(team, readings, ann):
    outcome = await team.propose("one")
    found = await readings.events(ann, "garden", 1)
    assert [one.happened for one in found] == list(outcome.happened)
    assert {one.aggregate_id for one in found} == {artifact_id(*OF, "one")}
    assert [one.id for one in found] == ["garden@2", "garden@3"]
    assert all(one.receipt.startswith("command-") for one in found)
    assert await readings.events(ann, "garden", 2, 1) == found[1:]
    assert await refused(readings.events(ann, "garden", -1)) == "invalid_version"
    assert await refused(readings.events(ann, "none", 0)) == "project_not_found"
