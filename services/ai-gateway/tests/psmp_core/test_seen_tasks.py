"""Projects hear of the tasks that name them, once, and of nothing else."""

import asyncio
import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.adapters.psmp.told_tasks import ToldTasks
from metaqore_ai_gateway.service.psmp.asked import Kind, Outcome, Ref
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.seen_tasks import Ended, SeeTasks, Started
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.work import Work, WorkState, decide
from metaqore_governance_core.psmp.work_evolve import evolve
from metaqore_governance_core.task import TaskState
from metaqore_mesh.spool.groups import StoredGroup

START = Started("t1/started", "acme", "t1", "garden", denied=False, error=None, time_us=1_000)
END = Ended("t1/finished", "acme", "t1", TaskState.DONE, None, 2_000)


@dataclass
class Projects:
    """`garden` of `acme`, as a store behind both ports would have it; `faults` are raised first."""

    works: dict = field(default_factory=dict)
    answered: dict = field(default_factory=dict)
    submitted: list = field(default_factory=list)
    looked_up: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    async def place(self, organization, kind, id_):
        self.looked_up.append((kind, id_))
        if kind is Kind.PROJECT:
            return Place(id_, Ref(kind, id_)) if (organization, id_) == ("acme", "garden") else None
        return Place("garden", Ref(kind, id_)) if (organization, id_) in self.works else None

    async def submit(self, submission):
        if self.faults:
            raise self.faults.pop(0)
        self.submitted.append(submission)
        repeatable = submission.repeatable
        if repeatable.key in self.answered:
            assert self.answered[repeatable.key] == repeatable.digest
            return Outcome(0, ())
        self.answered[repeatable.key] = repeatable.digest
        [asked] = submission.asked
        place = submission.organization, asked.of.id
        work = self.works.get(place, Work())
        for event in decide(work, asked.command):
            work = evolve(work, event)
        self.works[place] = work
        return Outcome(0, ())


@pytest.fixture
def projects():
    return Projects()


@pytest.fixture
def passed_over():
    return []


@pytest.fixture
def see(projects, passed_over):
    return SeeTasks(projects, projects, passed_over.append)


def away():
    return MetaQoreError("database_unavailable", "away", kind=ErrorKind.UNAVAILABLE, retryable=True)


def state(projects, task="t1"):
    return projects.works["acme", task].state


async def test_a_task_that_names_a_project_is_seen_to_run_and_to_end(see, projects):
    await see([START])
    assert state(projects) is WorkState.RUNNING
    await see([END])
    work = projects.works["acme", "t1"]
    assert (work.state, work.project, work.since_us) == (WorkState.DONE, "garden", 2_000)
    assert [one.id for one in projects.submitted] == ["system:t1/started", "system:t1/finished"]
    assert [asked.command.by.name for one in projects.submitted for asked in one.asked] == ["metaqore"] * 2


async def test_both_at_once_are_seen_in_their_order(see, projects):
    await see([START, END])
    assert state(projects) is WorkState.DONE


async def test_what_comes_again_is_seen_once(see, projects, passed_over):
    for _ in range(3):
        await see([START, END])
    assert (state(projects), passed_over) == (WorkState.DONE, [])


@pytest.mark.parametrize("ended", [TaskState.FAILED, TaskState.INTERRUPTED, TaskState.CANCELLED])
async def test_it_ends_as_its_event_says(see, projects, ended):
    await see([START, replace(END, state=ended, error="why")])
    work = projects.works["acme", "t1"]
    assert (work.state, work.error) == (WorkState(ended), "why")


async def test_a_denied_task_is_told_with_its_start(see, projects, passed_over):
    denied = replace(START, denied=True, error="allowpath_missing")
    await see([denied, replace(END, state=TaskState.DENIED)])
    work = projects.works["acme", "t1"]
    assert (work.state, work.error, passed_over) == (WorkState.DENIED, "allowpath_missing", [])


async def test_a_project_that_does_not_exist_is_passed_over_and_counted(see, projects, passed_over):
    await see([replace(START, project="desert"), END])
    assert (projects.submitted, passed_over) == ([], ["project_not_found"])


async def test_a_project_of_another_organization_is_none(see, projects, passed_over):
    await see([replace(START, organization="zeta")])
    assert (projects.submitted, passed_over) == ([], ["project_not_found"])


async def test_a_project_is_looked_up_once(see, projects):
    await see([replace(START, task=f"t{number}", event=f"t{number}/started") for number in range(5)])
    await see([replace(START, task="t9", event="t9/started")])
    assert 1 <= projects.looked_up.count((Kind.PROJECT, "garden")) <= 5
    before = len(projects.looked_up)
    await see([replace(START, task="t10", event="t10/started")])
    assert len(projects.looked_up) == before


async def test_the_project_of_a_task_that_another_process_saw_start_is_found(projects, see, passed_over):
    await see([START])
    await SeeTasks(projects, projects, passed_over.append)([END])
    assert (state(projects), passed_over) == (WorkState.DONE, [])


async def test_the_end_of_a_task_that_no_project_knows_is_nothing(see, projects, passed_over):
    await see([END])
    assert (projects.submitted, passed_over) == ([], [])


async def test_an_end_does_not_go_ahead_of_its_start(see, projects):
    projects.faults = [away()]
    other = replace(START, task="t2", event="t2/started")
    with pytest.raises(MetaQoreError, match="away"):
        await see([START, END, other])
    assert [one.id for one in projects.submitted] == ["system:t2/started"]
    await see([START, END])
    assert state(projects) is WorkState.DONE


async def test_what_a_project_refuses_is_passed_over(see, passed_over):
    await see([START])
    await see([replace(START, event="again")])
    assert passed_over == ["task_running"]


async def test_a_fault_of_ours_does_not_hold_up_the_others(see, projects, passed_over):
    projects.faults = [RuntimeError()]
    await see([START, replace(START, task="t2", event="t2/started")])
    assert (passed_over, state(projects, "t2")) == (["internal"], WorkState.RUNNING)


async def taken(see, batch):
    try:
        await see(batch)
    except MetaQoreError as error:
        return not error.retryable
    return True


@given(st.lists(st.sampled_from(range(4)), max_size=8), st.randoms())
def test_however_batches_fall_and_fail_all_tasks_end_where_their_events_say(cuts, random):
    """Each task's events in order, those of different tasks mixed; each batch is given until it is taken."""
    events = []
    queues = [
        [replace(START, task=f"t{n}", event=f"t{n}/s"), replace(END, task=f"t{n}", event=f"t{n}/e")] for n in range(4)
    ]
    while queues:
        queue = random.choice(queues)
        events.append(queue.pop(0))
        queues = [one for one in queues if one]

    async def feed():
        projects = Projects()
        see = SeeTasks(projects, projects, lambda _: None)
        left = list(events)
        for cut in [*cuts, len(left)]:
            batch, left = left[:cut], left[cut:]
            projects.faults = [away() for _ in range(random.randint(0, 3))]
            while not await taken(see, batch):
                pass
        return projects

    projects = asyncio.run(feed())
    assert {place: work.state for place, work in projects.works.items()} == {
        ("acme", f"t{number}"): WorkState.DONE for number in range(4)
    }


def group(only=None, **decision):
    started = {
        "kind": "decision", "task": "t1", "organization": "acme", "project": "garden", "door": "rest", "model": "m",
        "verdict": "permit", "reasons": ["allowpath_allowed"], "sensitivity": "PUBLIC", "policy": "p",
        "policy_version": "v", "receipt": "r", "time_us": 1_000,
    }  # fmt: skip
    ended = {
        "kind": "outcome", "task": "t1", "organization": "acme", "state": "done", "error": None, "attempts": 1,
        "model": "m", "provider": "p", "prompt_tokens": 1, "completion_tokens": 1, "duration_us": 1, "receipt": "r",
        "time_us": 2_000,
    }  # fmt: skip
    records = [record for record in (started | decision, ended) if only in (None, record["kind"])]
    return StoredGroup(1, len(records), json.dumps({"records": records}).encode())


def command():
    return StoredGroup(3, 1, json.dumps({"records": [{"kind": "command", "receipt": "r"}]}).encode())


async def test_it_is_told_by_the_records_of_its_task(see, projects):
    await ToldTasks(see)([command(), group()])
    assert [one.id for one in projects.submitted] == ["system:t1/started", "system:t1/finished"]
    assert state(projects) is WorkState.DONE


async def test_a_task_that_names_no_project_costs_no_question(see, projects, passed_over):
    started, ended = (group(only=only, project=None) for only in ("decision", "outcome"))
    told = ToldTasks(see)
    await told([group(project=None)])
    await told([started])
    await told([ended])
    assert (projects.looked_up, projects.submitted, passed_over) == ([], [], [])


async def test_an_end_whose_start_another_process_saw_is_looked_up(see, projects):
    await ToldTasks(see)([group(only="decision")])
    await ToldTasks(see)([group(only="outcome")])
    assert state(projects) is WorkState.DONE


async def test_it_is_told_why_a_task_was_denied(see, projects):
    await ToldTasks(see)([group(verdict="deny", reasons=["residency_no_provider", "scanner_failed"])])
    assert projects.works["acme", "t1"].error == "residency_no_provider"
