"""A membership ends when it is told to, whatever its client is doing at that moment."""

import asyncio

import pytest
from aiokafka import TopicPartition

from metaqore_mesh.kafka import KafkaRecord
from metaqore_mesh.kafka.fetching import Member
from metaqore_mesh.kafka.membership import Membership
from metaqore_mesh.kafka.session import Plan
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.testing.kafka_bench import QUICK, Seen

PARTITION = TopicPartition("topic", 0)


class SlowClient:
    """Stands for the subscription and its consumer. Commits are answered when the test says so."""

    member = Member(1, "me")

    def __init__(self):
        self.consumer = self
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def commit_as(self, *_):
        self.asked.set()
        await self.answer.wait()


@pytest.mark.parametrize("turns", range(6))
async def test_a_commit_answered_about_when_watching_is_cancelled_does_not_keep_it_alive(turns):
    membership = Membership(Plan(KafkaSettings(), "group", ("topic",), Seen(), None, QUICK))
    membership.subscription = client = SlowClient()
    await membership.on_partitions_assigned({PARTITION})
    watching = asyncio.create_task(membership.watch())
    membership.lanes[PARTITION].put([KafkaRecord("topic", 0, 0, None, b"", (), 0)])
    await client.asked.wait()

    client.answer.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    watching.cancel()
    await asyncio.wait({watching}, timeout=60)
    assert watching.cancelled()
    await membership.release(1)


async def test_partitions_that_are_assigned_while_it_ends_are_not_taken_up():
    membership = Membership(Plan(KafkaSettings(), "group", ("topic",), Seen(), None, QUICK))

    class RebalancingClient(SlowClient):
        async def stop(self):
            await membership.on_partitions_revoked(set())
            await membership.on_partitions_assigned({PARTITION})

    membership.subscription = RebalancingClient()
    await membership.close(1)

    assert not membership.ready.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
