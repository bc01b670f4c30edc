"""From the feed of task events over a real broker to what a project is told."""

import asyncio
import json
import secrets

from metaqore_ai_gateway.adapters.lifecycle_feed import LifecycleFeed
from metaqore_ai_gateway.bootstrap_psmp_kafka import command_topics, lifecycle_consumer
from metaqore_ai_gateway.service.psmp.asked import Kind, Outcome, Ref
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_governance_core.scanner import NOTHING_FOUND
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.spool.groups import StoredGroup


class Garden:
    """A project that is told of tasks; the topic has those of other tests, too."""

    def __init__(self, mine):
        self.mine, self.told, self.enough = mine, [], asyncio.Event()

    async def place(self, _organization, kind, id_):
        return Place("garden", Ref(kind, id_)) if kind is Kind.PROJECT and id_ == "garden" else None

    async def submit(self, submission):
        if self.mine in submission.id:
            self.told.append(submission.id)
            if len(self.told) == 40:
                self.enough.set()
        return Outcome(0, ())

    def scan(self, _text):
        return NOTHING_FOUND


def group(task):
    started = {
        "kind": "decision", "task": task, "organization": "acme", "project": "garden", "door": "rest", "model": "m",
        "verdict": "permit", "reasons": [], "sensitivity": "PUBLIC", "policy": "p", "policy_version": "v",
        "receipt": "r", "time_us": 1,
    }  # fmt: skip
    ended = {
        "kind": "outcome", "task": task, "organization": "acme", "state": "done", "error": None, "attempts": 1,
        "model": "m", "provider": "p", "prompt_tokens": 1, "completion_tokens": 1, "duration_us": 1, "receipt": "r",
        "time_us": 2,
    }  # fmt: skip
    return StoredGroup(1, 2, json.dumps({"records": [started, ended]}).encode())


async def test_a_project_hears_of_tasks_that_name_it(kafka_settings):
    mine = f"task-{secrets.token_hex(4)}-"
    garden = Garden(mine)
    bus = Bus(kafka_settings, client_id="test", topics=command_topics())
    await bus.start()
    consumer = lifecycle_consumer(kafka_settings, bus, places=garden, queues=garden, scanner=garden)
    await consumer.start()
    try:
        await bus.probe.wait_connected()
        await LifecycleFeed(bus.publisher.publish_all)([group(f"{mine}{number}") for number in range(20)])
        async with asyncio.timeout(60):
            await garden.enough.wait()
    finally:
        await consumer.stop(5)
        await bus.stop()
    for number in range(20):
        start, end = f"system:{mine}{number}/started", f"system:{mine}{number}/finished"
        assert garden.told.index(start) < garden.told.index(end)
