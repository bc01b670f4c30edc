"""PSMP over the bus, through the whole gateway: commands govern a project, and it hears of the tasks that name it."""

import asyncio
import json
import secrets
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer

from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_RESULTS
from metaqore_governance_core.receipts import parse_token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def desk(gateway):
    """Gives commands over the bus under a source of its own, and waits for their answers."""
    source, sent = f"desk-{secrets.token_hex(4)}", []

    async def give(*commands, project=None, key=b"one place", events=None, **beside):
        first = len(sent) + 1
        ids = events or [str(number) for number in range(first, first + len(commands))]
        async with AIOKafkaProducer(bootstrap_servers=gateway.bootstrap_servers) as producer:
            for command, event in zip(commands, ids, strict=True):
                headers = {
                    "authorization": f"Bearer {gateway.key}", "ce_specversion": "1.0", "ce_id": event,
                    "ce_type": CommandSubmitted.ce_type, "ce_source": source,
                }  # fmt: skip
                value = json.dumps({"command": command, "project": project, **beside}).encode()
                raw = [(name, text.encode()) for name, text in headers.items()]
                await producer.send_and_wait(PSMP_COMMANDS, value, key, headers=raw)
                sent.append(event)
        return (await answers(len(sent)))[first - 1 :]

    async def answers(count):
        found = []
        async with gateway.reading(PSMP_RESULTS) as consumer, asyncio.timeout(60):
            async for record in consumer:
                if dict(record.headers).get("ce_requestsource") == source.encode():
                    found.append(record)
                    if len(found) == count:
                        break
        return [CommandAnswered.model_validate_json(record.value) for record in found]

    return SimpleNamespace(give=give, answers=answers)


async def made(desk):
    [answer] = await desk.give({"name": "project.create", "project_name": f"garden {secrets.token_hex(4)}"})
    assert (answer.state, answer.error) == ("done", None)
    return answer.project


def offering(*paths, text="x = 1\n"):
    created = [{"artifact_name": path, "content_text": text, "declarations": {"paths": [path]}} for path in paths]
    return {"name": "artifact.propose", "proposals": [{"created": one} for one in created]}


async def got(gateway, path):
    async with gateway.http(headers={"authorization": f"Bearer {gateway.key}"}) as client:
        return await client.get(f"/api/v1{path}")


async def test_a_project_is_made_and_filled_and_each_step_has_its_receipt(gateway, desk):
    project = await made(desk)
    [answer] = await desk.give(offering("src/a.py", "src/b.py"), project=project)
    assert (answer.state, answer.project) == ("done", project)
    assert [change.aggregate for change in answer.changes] == ["artifact", "artifact"]
    assert parse_token(answer.receipt_token).id == answer.receipt
    shown = await got(gateway, f"/artifacts/{answer.changes[0].id}")
    assert shown.status_code == 200


async def test_an_event_that_comes_again_changes_nothing_and_is_answered_the_same(gateway, desk):
    project = await made(desk)
    first, again = await desk.give(offering("a.py"), offering("a.py"), project=project, events=["7", "7"])
    assert (first.state, again) == ("done", first)
    versions = (await got(gateway, f"/artifacts/{first.changes[0].id}/versions")).json()
    assert len(next(value for value in versions.values() if isinstance(value, list))) == 1


async def test_what_the_state_forbids_is_refused_with_its_receipt(desk):
    project = await made(desk)
    [proposed] = await desk.give(offering("a.py"), project=project)
    activate = {"name": "artifact.activate", "artifact": proposed.changes[0].id, "version": 1}
    [answer] = await desk.give(activate)
    assert (answer.state, answer.error.code) == ("refused", "own_proposal")
    assert answer.receipt_token


async def test_a_clash_is_told_with_who_and_how_to_resolve_it(desk):
    project = await made(desk)
    await desk.give(offering("src/a.py"), project=project)
    clashing = offering("other")
    clashing["proposals"][0]["created"]["declarations"]["paths"] = ["src/a.py"]
    [told] = await desk.give(clashing | {"refuse_blocked": True}, project=project)
    assert (told.state, [conflict.type for conflict in told.conflicts]) == ("refused", ["path_same"])
    assert {party.artifact for party in told.conflicts[0].parties} == {"src/a.py", "other"}
    [blocked] = await desk.give(clashing, project=project)
    assert (blocked.state, len(blocked.conflicts)) == ("done", 1)


async def test_a_dry_run_tells_and_does_nothing(gateway, desk):
    project = await made(desk)
    [tried] = await desk.give(offering("a.py"), project=project, dry_run=True)
    assert (tried.state, tried.dry_run) == ("done", True)
    assert (await got(gateway, f"/artifacts/{tried.changes[0].id}")).status_code == 404


async def test_what_is_not_there_is_answered(desk):
    [answer] = await desk.give({"name": "artifact.activate", "artifact": "artifact_none", "version": 1})
    assert (answer.state, answer.error.code, answer.receipt) == ("failed", "artifact_not_found", "")


async def test_commands_that_build_on_each_other_are_done_in_their_order(desk):
    project = await made(desk)
    commands = []
    for number in range(10):
        commands += [
            {"name": "checkpoint.take", "checkpoint_name": f"c{number}"},
            offering("a.py", text=f"x = {number}\n"),
        ]
    answers = await desk.give(*commands, project=project)
    assert {answer.state for answer in answers} == {"done"}
    versions = [answer.project_version for answer in answers]
    assert versions == sorted(versions)


async def test_a_project_hears_of_a_task_that_names_it(gateway, desk):
    project = await made(desk)
    headers = {"authorization": f"Bearer {gateway.key}", "x-metaqore-project": project}
    body = {"model": "stub", "messages": [{"role": "user", "content": "hello"}]}
    async with gateway.http(headers=headers) as client:
        answer = await client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200
        task = answer.headers["x-metaqore-task-id"]
        async with asyncio.timeout(30):
            while True:
                listed = await client.get("/api/v1/tasks", params={"project_id": project})
                assert listed.status_code == 200, listed.text
                if '"done"' in listed.text:
                    break
                await asyncio.sleep(0.1)
    assert task in listed.text
