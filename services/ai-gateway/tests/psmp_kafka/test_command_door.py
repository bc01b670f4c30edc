"""Commands over a real broker: from a record of the topic of commands to its answer or its dead letter."""

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from metaqore_ai_gateway.bootstrap_psmp_kafka import command_consumer, command_topics
from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_RESULTS
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.scanner import NOTHING_FOUND, Findings
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.settings import KafkaSettings

from .conftest import OPEN, SECRET, Gate

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAD = "metaqore.psmp.commands.v1.ai-gateway.dlq"
VALUE = json.dumps({"command": OPEN}).encode()
ANN = Caller("key_1", "acme", "ann", frozenset(DEFAULT_SCOPES))


class Scanner:
    def scan(self, text):
        return Findings({"credential.aws_access_key": 1}) if "AKIA" in text else NOTHING_FOUND


class Door:
    """A command door on a broker, and who speaks to it."""

    def __init__(self, settings):
        self.settings, self.gate = settings, Gate()
        self.bus = Bus(settings, client_id="test", topics=command_topics())

    @asynccontextmanager
    async def open(self):
        keys = SimpleNamespace(find=lambda secret: ANN if secret == SECRET else None)
        await self.bus.start()
        door = command_consumer(self.settings, self.bus, keys=keys, gate=self.gate, scanner=Scanner())
        await door.start()
        yield self
        await door.stop(5)
        await self.bus.stop()

    async def send(self, *records):
        """Each record: (value, headers, key)."""
        async with AIOKafkaProducer(bootstrap_servers=self.settings.bootstrap_servers) as producer:
            for value, headers, key in records:
                raw = [(name, text.encode()) for name, text in headers.items()]
                await producer.send_and_wait(PSMP_COMMANDS, value, key, headers=raw)

    async def answers(self, source, count):
        """The first answers for `source`: (record, headers, answer)."""
        found = []
        async with self._reading(PSMP_RESULTS) as records, asyncio.timeout(60):
            async for record in records:
                headers = dict(record.headers)
                if headers.get("ce_requestsource") == source.encode():
                    found.append((record, headers, CommandAnswered.model_validate_json(record.value)))
                    if len(found) == count:
                        break
        return found

    async def dead_letter(self, key):
        async with self._reading(DEAD) as records, asyncio.timeout(60):
            async for record in records:
                if record.key == key:
                    break
        return record

    def _reading(self, topic):
        return AIOKafkaConsumer(topic, bootstrap_servers=self.settings.bootstrap_servers, auto_offset_reset="earliest")


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)]
)
async def door(request):
    if request.param == "embedded":
        settings = KafkaSettings(bootstrap_servers=request.getfixturevalue("kafka_bootstrap"), embedded=True)
    else:
        settings = KafkaSettings(bootstrap_servers=request.getfixturevalue("apache_kafka_bootstrap"))
    async with Door(settings).open() as door:
        yield door


@pytest.fixture
def sent():
    """Headers of a command with a source of its own."""
    source = f"shop-{secrets.token_hex(4)}"

    def headers(event="1", **changes):
        found = {
            "authorization": f"Bearer {SECRET}",
            "ce_specversion": "1.0",
            "ce_type": CommandSubmitted.ce_type,
            "ce_source": source,
            "ce_id": event,
        }
        found.update(changes)
        return {name: text for name, text in found.items() if text is not None}

    return SimpleNamespace(source=source, headers=headers)


async def test_a_command_gets_its_answer_under_its_own_key(door, sent):
    await door.send((VALUE, sent.headers(), b"mine"))
    [(record, headers, answer)] = await door.answers(sent.source, 1)
    assert (record.key, answer.state, answer.name) == (b"mine", "done", "task.open")
    assert headers["ce_type"] == CommandAnswered.ce_type.encode()
    assert headers["ce_requestid"] == b"1"
    assert headers["ce_metaqorereceipt"].decode() == answer.receipt_token
    assert not [name for name in headers if name.lower() == "authorization"]


async def test_an_answer_has_the_source_as_its_key_where_the_command_had_none(door, sent):
    await door.send((VALUE, sent.headers(), None))
    [(record, _, _)] = await door.answers(sent.source, 1)
    assert record.key == sent.source.encode()


async def test_a_command_that_comes_again_is_answered_the_same(door, sent):
    for _ in range(2):
        await door.send((VALUE, sent.headers(), None))
    (first, first_headers, _), (again, again_headers, _) = await door.answers(sent.source, 2)
    assert (first.value, first_headers["ce_id"]) == (again.value, again_headers["ce_id"])


async def test_commands_of_one_project_are_done_in_their_order(door, sent):
    records = [
        (json.dumps({"command": OPEN, "project": f"p{number % 3}"}).encode(), sent.headers(str(number)), b"one place")
        for number in range(60)
    ]
    await door.send(*records)
    found = await door.answers(sent.source, 60)
    for project in ("p0", "p1", "p2"):
        done = [int(answer.request.id) for _, _, answer in found if answer.project == project]
        assert done == sorted(done)
        assert len(done) == 20


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"authorization": None}, "missing_api_key", id="no key"),
        pytest.param({"authorization": "Bearer mq_x"}, "invalid_api_key", id="bad key"),
    ],
)
async def test_a_stranger_is_answered(door, sent, changes, code):
    await door.send((VALUE, sent.headers(**changes), None))
    [(_, headers, answer)] = await door.answers(sent.source, 1)
    assert (answer.state, answer.error.code, "ce_metaqorereceipt" in headers) == ("failed", code, False)


@pytest.mark.parametrize(
    ("value", "changes", "code"),
    [
        pytest.param(b"{no", {}, "invalid_json", id="no JSON"),
        pytest.param(None, {}, "command_missing", id="no value"),
        pytest.param(VALUE, {"ce_id": None}, "event_attribute_missing", id="no ce_id"),
        pytest.param(VALUE, {"ce_type": "metaqore.task.submitted.v1"}, "event_type_unknown", id="another ce_type"),
        pytest.param(VALUE, {"Authorization": "Bearer other"}, "event_attribute_invalid", id="two keys"),
    ],
)
async def test_what_nobody_can_read_is_dead_with_its_cause(door, sent, value, changes, code):
    key = sent.source.encode()
    await door.send((value, sent.headers(**changes), key))
    letter = await door.dead_letter(key)
    headers = dict(letter.headers)
    assert (headers["dlq_code"], letter.value) == (code.encode(), b"")
    assert SECRET not in str(letter.headers)


@pytest.mark.parametrize(
    ("command", "name", "place"),
    [
        pytest.param({"name": "task.open"}, "task.open", "command.task.open.title", id="a field is missing"),
        pytest.param({"name": "garden.water"}, "", "command", id="no such command"),
        pytest.param(None, "", "command", id="no command"),
    ],
)
async def test_what_can_be_read_and_is_no_command_is_answered(door, sent, command, name, place):
    value = json.dumps({} if command is None else {"command": command, "project": "garden"}).encode()
    await door.send((value, sent.headers(), b"mine"), (VALUE, sent.headers("2"), b"mine"))
    found = await door.answers(sent.source, 2)
    answers = {answer.request.id: (record.key, answer) for record, _, answer in found}
    key, answer = answers["1"]
    assert (key, answer.state, answer.name, answer.organization) == (b"mine", "failed", name, "acme")
    assert (answer.error.code, answer.receipt) == ("command_invalid", "")
    assert f" at {place}." in answer.error.message
    assert answers["2"][1].state == "done"


async def test_a_credential_in_a_name_is_repeated_nowhere(door, sent):
    await door.send((b"{}", sent.headers("AKIAQ3EGRZYXN5PMK7VW"), sent.source.encode()))
    await door.send((VALUE, sent.headers("AKIAQ3EGRZYXN5PMK7VW"), None))
    await door.send((VALUE, sent.headers("2"), None))
    [(_, _, answer)] = await door.answers(sent.source, 1)
    assert answer.request.id == "2"


async def test_good_commands_beside_a_dead_one_are_done(door, sent):
    records = [(VALUE, sent.headers(str(number)), b"one partition") for number in range(5)]
    records.insert(2, (b"{no", sent.headers("bad"), b"one partition"))
    await door.send(*records)
    found = await door.answers(sent.source, 5)
    assert [answer.request.id for _, _, answer in found] == ["0", "1", "2", "3", "4"]


async def test_no_command_is_lost_while_the_database_is_away(door, sent):
    gone = MetaQoreError("database_unavailable", "away", kind=ErrorKind.UNAVAILABLE, retryable=True)
    door.gate.faults["task.cancel"] = [gone] * 3
    first = json.dumps({"command": {"name": "task.cancel", "task": "t"}}).encode()
    await door.send((first, sent.headers("1"), b"k"), (VALUE, sent.headers("2"), b"k"))
    found = await door.answers(sent.source, 2)
    assert [(answer.request.id, answer.state) for _, _, answer in found] == [("1", "done"), ("2", "done")]
