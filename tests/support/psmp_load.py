"""The load of PSMP's crash test: agents that work in projects through every door, and a ledger of what they were told.

Every command is given under its key until it is answered, so at the end nothing is in doubt: what was done and what was
refused is known, and each agent knows beforehand which of both it has to be.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from metaqore_ai_gateway.service.psmp.ids import artifact_id, checkpoint_id
from psmp_doors import Door, GrpcDoor, Order, RestDoor, Told, UnansweredError
from psmp_kafka_door import KafkaDoor

AUTHOR, OTHER, REVIEWER = "ann", "ben", "rita"
PEOPLE = {
    AUTHOR: ("psmp:read", "psmp:write"),
    OTHER: ("psmp:read", "psmp:write"),
    REVIEWER: ("psmp:read", "psmp:write", "psmp:erase"),
}
AGENTS = 10
EVERY_DOOR, QUICK_DOORS = ("kafka", "rest", "kafka", "grpc"), ("rest", "grpc")
AGENTS_AT_KAFKA = 3
"""Some alone: after a crash Kafka is the last to answer, and who waits there does nothing else."""
REPEATED = 0.15
SCENES_A_PROJECT = 12
UPLOADED_BYTES = 150_000
LARGE = 0.3
"""Of the texts that come with their versions: they are kept as objects, the others in rows."""
LARGE_BYTES = 20_000
EVERYBODYS = "The same text in many versions: it is stored once, by whoever comes first."
AFTER_FAILURE_S = 0.2
PAUSE_S = 0.02


@dataclass
class Ledger:
    """What was given, through which door, and what it was answered; and which texts the versions have."""

    told: dict[Order, Told] = field(default_factory=dict)
    doors: dict[Order, str] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    erased: set[tuple[str, str]] = field(default_factory=set)
    unanswered: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    @property
    def done(self) -> dict[Order, Told]:
        """Those that happened."""
        return {order: told for order, told in self.told.items() if told.code == "done"}


class Load:
    """Agents at work until they are stopped; then they finish what they have begun."""

    def __init__(self, organization: str, rest: RestDoor, grpc: GrpcDoor, kafka: KafkaDoor, ledger: Ledger) -> None:
        self.organization = organization
        self.rest = rest
        self.ledger = ledger
        self._doors: dict[str, Door] = {"rest": rest, "grpc": grpc, "kafka": kafka}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Every agent at once, each in projects of its own and in one that all share."""
        shared = (await self.give(("rest",), AUTHOR, "", name="project.create", project_name="shared")).project
        async with asyncio.TaskGroup() as group:
            for number in range(AGENTS):
                doors = EVERY_DOOR if number < AGENTS_AT_KAFKA else QUICK_DOORS
                group.create_task(Agent(self, f"agent{number}", shared, doors).work(self._stopping))

    def stop(self) -> None:
        """No more scenes."""
        self._stopping.set()

    async def give(self, doors: Sequence[str], who: str, project: str, *, expect: str = "done", **fields: Any) -> Told:
        """Give a command through one of these until it is answered; sometimes once more, for the same answer."""
        order, door = Order(who, secrets.token_hex(8), project, fields), random.choice(doors)
        told = await self._until_answered(order, door)
        assert told.code == expect, f"{order} over {door}: {told}"
        self.ledger.told[order], self.ledger.doors[order] = told, door
        self.ledger.receipts.append(told.receipt_token)
        if random.random() < REPEATED:
            await self.repeat(order)
        return told

    async def repeat(self, order: Order) -> None:
        """The same command under its key is answered the same."""
        again = await self._until_answered(order, self.ledger.doors[order])
        self.ledger.repeated += 1
        assert again == self.ledger.told[order], f"{order}: {self.ledger.told[order]}, then {again}"

    async def upload(self, who: str, text: str) -> str:
        """The digest of a body that is kept."""
        while True:
            try:
                digest, receipt = await self.rest.upload(who, text.encode())
            except UnansweredError:
                self.ledger.unanswered["upload"] += 1
                await asyncio.sleep(AFTER_FAILURE_S)
            else:
                self.ledger.receipts.append(receipt)
                return digest

    async def _until_answered(self, order: Order, door: str) -> Told:
        while True:
            try:
                return await self._doors[door].give(order)
            except UnansweredError:
                self.ledger.unanswered[door] += 1
                await asyncio.sleep(AFTER_FAILURE_S)


class Agent:
    """Plays one scene after another. Its names and paths are its own, so that nobody else is in its way."""

    def __init__(self, load: Load, name: str, shared: str, doors: Sequence[str]) -> None:
        self._load = load
        self._give = partial(load.give, doors)
        self._name = name
        self._shared = shared
        self._counted = 0

    async def work(self, stopping: asyncio.Event) -> None:
        """Scenes until it is told to stop."""
        own, scenes = "", 0
        everywhere = (self._one, self._uploaded, self._batch, self._clash, self._nothing, self._erased)
        while not stopping.is_set():
            if scenes % SCENES_A_PROJECT == 0:
                name = self._fresh("project")
                own = (await self._give(AUTHOR, "", name="project.create", project_name=name)).project
            if random.random() < 1 / (len(everywhere) + 1):
                await self._back(own)
            else:
                await random.choice(everywhere)(random.choice((own, self._shared)))
            scenes += 1
            await asyncio.sleep(PAUSE_S)

    async def _one(self, project: str) -> str:
        """A version is proposed, and counts."""
        name = self._fresh("one")
        await self._propose(AUTHOR, project, {name: self._text(name)})
        await self._activate(project, name, 1)
        return name

    async def _uploaded(self, project: str) -> None:
        """The same with a body that came before it."""
        name = self._fresh("uploaded")
        text = self._text(name) + "x" * UPLOADED_BYTES
        digest = await self._load.upload(AUTHOR, text)
        self._load.ledger.texts[project, name + "@1"] = text
        body = {"content_digest": digest}
        await self._give(AUTHOR, project, name="artifact.propose", proposals=[_proposal(name, f"{name}.txt", body)])
        await self._activate(project, name, 1)

    async def _batch(self, project: str) -> None:
        """Several versions at once, one of them with a text that others have, too."""
        names = [self._fresh("batch") for _ in range(random.randint(2, 6))]
        await self._propose(AUTHOR, project, {name: self._text(name) for name in names[1:]} | {names[0]: EVERYBODYS})

    async def _clash(self, project: str) -> None:
        """Two at one path; somebody else says which one stays."""
        first, second = await self._one(project), self._fresh("clash")
        told = await self._propose(OTHER, project, {second: self._text(second)}, path=f"{first}.txt")
        [conflict] = told.conflicts
        choice = random.choice(("keep_existing", "take_incoming", "supersede"))
        incoming: dict[str, Any] = {"artifact": self._id(project, second), "version": 1}
        await self._give(
            REVIEWER, project, name="conflict.resolve", conflict=conflict, **incoming, choice=choice, why="one of both"
        )

    async def _nothing(self, project: str) -> None:
        """All or nothing, and one of them cannot stand."""
        first = await self._one(project)
        names = [self._fresh("nothing") for _ in range(3)]
        offered = [_proposal(name, f"{name}.txt", {"content_text": self._text(name)}) for name in names[1:]]
        offered.append(_proposal(names[0], f"{first}.txt", {"content_text": self._text(names[0])}))
        await self._give(
            OTHER, project, name="artifact.propose", proposals=offered, refuse_blocked=True, expect="artifact_blocked"
        )

    async def _erased(self, project: str) -> None:
        """A body whose key is destroyed."""
        name = self._fresh("erased")
        await self._propose(AUTHOR, project, {name: self._text(name)})
        await self._give(
            REVIEWER, project, name="artifact.erase_body", artifact=self._id(project, name), version=1, why="asked to"
        )
        self._load.ledger.erased.add((project, name + "@1"))

    async def _back(self, project: str) -> None:
        """A checkpoint, changes, and the way back; in a project where nobody else works."""
        name, taken = await self._one(project), self._fresh("checkpoint")
        await self._give(REVIEWER, project, name="checkpoint.take", checkpoint_name=taken)
        await self._propose(AUTHOR, project, {name: self._text(name)}, version=2)
        await self._activate(project, name, 2)
        await self._one(project)
        checkpoint = checkpoint_id(self._load.organization, project, taken)
        await self._give(REVIEWER, project, name="checkpoint.restore", checkpoint=checkpoint, why="it was better")

    async def _propose(
        self, who: str, project: str, texts: Mapping[str, str], *, path: str = "", version: int = 1
    ) -> Told:
        offered = [_proposal(name, path or f"{name}.txt", {"content_text": text}) for name, text in texts.items()]
        told = await self._give(who, project, name="artifact.propose", proposals=offered)
        self._load.ledger.texts.update({(project, f"{name}@{version}"): text for name, text in texts.items()})
        return told

    async def _activate(self, project: str, name: str, version: int) -> None:
        artifact = self._id(project, name)
        await self._give(REVIEWER, project, name="artifact.activate", artifact=artifact, version=version)

    def _id(self, project: str, name: str) -> str:
        return artifact_id(self._load.organization, project, name)

    def _fresh(self, what: str) -> str:
        self._counted += 1
        return f"{self._name}-{what}-{self._counted}"

    @staticmethod
    def _text(name: str) -> str:
        rest = "x" * LARGE_BYTES if random.random() < LARGE else ""
        return f"{name} {secrets.token_hex(200)}\n{rest}"


def _proposal(name: str, path: str, body: Mapping[str, str]) -> dict[str, Any]:
    return {"created": {"artifact_name": name, "declarations": {"paths": [path]}, **body}}


async def repeat_all(load: Load, orders: Sequence[Order], at_once: int = 8) -> None:
    """Each of these once more, some at a time."""
    waiting = iter(orders)

    async def repeat() -> None:
        for order in waiting:
            await load.repeat(order)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(repeat())
