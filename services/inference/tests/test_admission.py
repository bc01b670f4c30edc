import asyncio

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_inference.service.admission import Admission


async def hold(admission, entered, leave, deadline_s=5.0):
    async with admission.place(deadline_s):
        entered.append(len(entered))
        await leave.wait()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_run_than_there_are_slots_and_the_rest_follow():
    admission, entered, leave = Admission(slots=2, queue_limit=10), [], asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(hold(admission, entered, leave))
        await settle()
        assert (len(entered), admission.running, admission.waiting) == (2, 2, 3)
        leave.set()
    assert (len(entered), admission.running, admission.waiting) == (5, 0, 0)


async def test_a_full_queue_turns_away_at_once():
    admission, leave = Admission(slots=1, queue_limit=1), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(hold(admission, [], leave))
        await settle()
        with pytest.raises(MetaQoreError) as refused:
            await hold(admission, [], leave)
        assert refused.value.code == "queue_full"
        assert refused.value.retryable
        leave.set()


async def test_a_place_that_comes_too_late_is_a_deadline_and_the_queue_is_left():
    admission, leave = Admission(slots=1, queue_limit=1), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hold(admission, [], leave))
        await settle()
        with pytest.raises(MetaQoreError) as refused:
            await hold(admission, [], leave, deadline_s=0.01)
        assert refused.value.code == "queue_deadline"
        assert admission.waiting == 0
        leave.set()
    async with admission.place(0.1):
        assert admission.running == 1


async def test_who_leaves_the_queue_takes_no_place():
    admission, leave = Admission(slots=1, queue_limit=5), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hold(admission, [], leave))
        waiting = group.create_task(hold(admission, [], leave))
        await settle()
        waiting.cancel()
        leave.set()
    assert (admission.running, admission.waiting) == (0, 0)
    async with admission.place(0.1):
        pass
