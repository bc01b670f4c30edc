"""The order of commands: held by many random ones."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_ai_gateway.service.psmp.command_turns import Turns

COMMANDS = st.lists(
    st.tuples(st.sampled_from(["acme", "zeta"]), st.sampled_from(["a", "b", "c", None]), st.integers(0, 4)), max_size=25
)


async def run(commands, failing=frozenset()):
    """What begins and ends, in the order in which it does; each command takes some turns of the loop."""
    turns, seen, running, most = Turns(), [], 0, 0

    async def one(index, turn, length):
        nonlocal running, most
        if not await turn.come():
            turn.end(done=False)
            return
        running += 1
        most = max(most, running)
        for _ in range(length):
            await asyncio.sleep(0)
        running -= 1
        if index not in failing:
            seen.append(index)
        turn.end(done=index not in failing)

    works = [
        one(index, turns.next(organization, project), length)
        for index, (organization, project, length) in enumerate(commands)
    ]
    await asyncio.wait_for(asyncio.gather(*works), 60)
    return seen, most


def must_follow(commands):
    """Pairs of indexes of which the first must end before the second begins."""
    for second, (organization, project, _) in enumerate(commands):
        for first, (other, before, _) in enumerate(commands[:second]):
            if other == organization and (before == project or None in {before, project}):
                yield first, second


@settings(max_examples=60, deadline=None)
@given(COMMANDS)
def test_commands_of_a_project_follow_each_other(commands):
    seen, _ = asyncio.run(run(commands))
    assert sorted(seen) == list(range(len(commands)))
    for first, second in must_follow(commands):
        assert seen.index(first) < seen.index(second)


@settings(max_examples=60, deadline=None)
@given(COMMANDS, st.sets(st.integers(0, 25)))
def test_nothing_goes_ahead_of_what_must_be_tried_again(commands, failing):
    seen, _ = asyncio.run(run(commands, failing))
    behind = set(failing)
    for first, second in must_follow(commands):
        if first in behind:
            behind.add(second)
    assert set(seen) == set(range(len(commands))) - behind


async def test_different_projects_run_side_by_side():
    _, most = await run([("acme", project, 3) for project in "abcdefgh"])
    assert most == 8
