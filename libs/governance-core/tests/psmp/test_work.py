import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.psmp import work as w
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.psmp.work_evolve import evolve, replay
from metaqore_governance_core.task import FINAL_STATES, TaskState

ANN, BOB = Actor("ann"), Actor("bob")
OPENED = w.Opened("ann", 1, "task-1", "org", "garden", "weed")
CLAIMED = w.Claimed("ann", 2, 12)
STARTED = w.Started("ann", 3)


@pytest.mark.parametrize(
    ("given_", "when", "then"),
    [
        pytest.param([], w.Open(ANN, 1, "task-1", "org", "garden", "weed"), [OPENED], id="it waits"),
        pytest.param([OPENED], w.Claim(ANN, 2, 10), [CLAIMED], id="a claim is a lease"),
        pytest.param(
            [OPENED, CLAIMED], w.Claim(ANN, 5, 10), [w.LeaseExtended("ann", 5, 15)], id="that can be extended"
        ),
        pytest.param(
            [OPENED, CLAIMED],
            w.Claim(BOB, 12, 10),
            [w.LeaseExpired("bob", 12, "ann"), w.Released("bob", 12), w.Claimed("bob", 12, 22)],
            id="and that expires",
        ),
        pytest.param([OPENED, CLAIMED], w.Release(ANN, 3), [w.Released("ann", 3)], id="given back"),
        pytest.param([OPENED, CLAIMED], w.Start(ANN, 3), [STARTED], id="it runs"),
        pytest.param(
            [OPENED, CLAIMED, STARTED], w.Complete(ANN, 4), [w.Ended("ann", 4, w.WorkState.DONE)], id="is done"
        ),
        pytest.param(
            [OPENED, CLAIMED, STARTED],
            w.Expire(BOB, 12),
            [w.LeaseExpired("bob", 12, "ann"), w.Ended("bob", 12, w.WorkState.INTERRUPTED, "lease_expired")],
            id="a run without a lease is interrupted",
        ),
        pytest.param(
            [OPENED, CLAIMED, STARTED, w.Ended("bob", 12, w.WorkState.INTERRUPTED, "x")],
            w.Claim(BOB, 13, 10),
            [w.Claimed("bob", 13, 23)],
            id="and may be claimed again",
        ),
        pytest.param(
            [OPENED],
            w.Describe(BOB, 2, "weed it all", "Beds one to nine.", (("team", "green"),)),
            [w.Described("bob", 2, "weed it all", "Beds one to nine.", (("team", "green"),))],
            id="it is described anew",
        ),
        pytest.param(
            [OPENED, w.Described("bob", 2, "weed", "Beds.", (("team", "green"),))],
            w.Describe(ANN, 3, None, "All beds.", None),
            [w.Described("ann", 3, "weed", "All beds.", (("team", "green"),))],
            id="and what is not given stays",
        ),
        pytest.param(
            [OPENED, CLAIMED],
            w.Describe(ANN, 3, "weed less", None, None),
            [w.Described("ann", 3, "weed less", "", ())],
            id="its holder may ask for something else",
        ),
        pytest.param(
            [OPENED, CLAIMED],
            w.Describe(BOB, 3, None, None, (("team", "green"),)),
            [w.Described("bob", 3, "weed", "", (("team", "green"),))],
            id="anybody labels it, also while it is held",
        ),
        pytest.param(
            [OPENED, CLAIMED],
            w.Describe(BOB, 12, "weed less", None, None),
            [w.Described("bob", 12, "weed less", "", ())],
            id="and names it anew once the lease is over",
        ),
        pytest.param(
            [],
            w.SeeStarted(ANN, 1, "task-1", "org", "default", denied=False),
            [w.SeenStarted("ann", 1, "task-1", "org", "default", denied=False, error=None)],
            id="it came through a door",
        ),
        pytest.param(
            [w.SeenStarted("ann", 1, "task-1", "org", "default", denied=False, error=None)],
            w.SeeEnded(ANN, 2, TaskState.DONE),
            [w.Ended("ann", 2, w.WorkState.DONE)],
            id="and ended there",
        ),
    ],
)
def test_what_happens(given_, when, then):
    assert w.decide(replay(given_), when) == then


@pytest.mark.parametrize(
    ("given_", "when", "code"),
    [
        pytest.param([], w.Claim(ANN, 1, 1), "task_missing", id="nothing is there yet"),
        pytest.param([OPENED, CLAIMED], w.Claim(BOB, 5, 10), "task_claimed", id="somebody holds it"),
        pytest.param([], w.Describe(ANN, 1, "weed", None, None), "task_missing", id="nor to be described"),
        pytest.param(
            [OPENED, CLAIMED], w.Describe(BOB, 5, "dig", None, None), "task_held", id="what is held keeps its title"
        ),
        pytest.param(
            [OPENED, w.Ended("ann", 2, w.WorkState.DONE)],
            w.Describe(ANN, 3, None, "Beds.", None),
            "task_ended",
            id="what ended is told no more",
        ),
        pytest.param([OPENED, CLAIMED], w.Start(BOB, 5), "not_holder", id="only the holder starts"),
        pytest.param([OPENED, CLAIMED], w.Start(ANN, 12), "lease_over", id="and only in time"),
        pytest.param([OPENED, CLAIMED], w.Complete(ANN, 5), "wrong_task_state", id="nothing ends before it runs"),
        pytest.param([OPENED, CLAIMED], w.Expire(BOB, 11), "lease_stands", id="a lease stands"),
        pytest.param([OPENED], w.Claim(ANN, 2, 0), "lease_invalid", id="a lease lasts"),
        pytest.param(
            [OPENED, w.Ended("ann", 2, w.WorkState.DONE)], w.Claim(ANN, 3, 1), "task_ended", id="final is final"
        ),
        pytest.param(
            [w.SeenStarted("ann", 1, "t", "org", "default", denied=False, error=None)],
            w.Claim(BOB, 2, 1),
            "task_claimed",
            id="what runs through a door is nobody's to claim",
        ),
    ],
)
def test_what_is_refused(given_, when, code):
    with pytest.raises(PsmpRefusedError) as refused:
        w.decide(replay(given_), when)
    assert refused.value.code == code


def test_a_refused_claim_says_how_long_the_lease_still_is():
    held = replay([OPENED, w.Claimed("ann", 2, 3_000_002)])
    with pytest.raises(PsmpRefusedError, match="held by ann, whose lease ends in 3 s"):
        w.decide(held, w.Claim(BOB, 2, 10))


def test_it_has_every_state_of_a_task():
    assert {state.value for state in TaskState} <= {state.value for state in w.WorkState}
    finals = {state.value for state in FINAL_STATES} - {"interrupted"}
    assert {state.value for state in w.FINAL_WORK_STATES} == finals


ACTORS, TIMES = st.sampled_from([ANN, BOB]), st.integers(0, 40)
COMMANDS = st.one_of(
    st.builds(w.Open, ACTORS, TIMES, *map(st.just, ("task-1", "org", "garden", "weed"))),
    st.builds(w.Claim, ACTORS, TIMES, st.integers(1, 20)),
    *(st.builds(one, ACTORS, TIMES) for one in (w.Release, w.Start, w.Complete, w.Cancel, w.Expire)),
    st.builds(w.Fail, ACTORS, TIMES, st.just("error")),
    st.builds(w.Describe, ACTORS, TIMES, st.none() | st.just("dig"), st.none() | st.just("Beds."), st.none()),
)


@given(st.lists(COMMANDS, max_size=40))
def test_it_is_held_by_one_at_most_and_nothing_follows_its_end(commands):
    work, events = w.Work(), []
    for command in commands:
        try:
            happened = w.decide(work, command)
        except PsmpRefusedError:
            continue
        assert work.state not in w.FINAL_WORK_STATES
        for event in happened:
            if isinstance(event, w.Claimed):
                assert work.holder == ""
            if isinstance(event, w.Started):
                assert work.holder == event.by
            work = evolve(work, event)
            assert bool(work.holder) == (work.state in {w.WorkState.CLAIMED, w.WorkState.RUNNING}) or isinstance(
                event, w.LeaseExpired
            )
        events += happened
    assert replay(events) == work
