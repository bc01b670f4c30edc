"""Lives of a gateway for `test_crash_points.py`: each gives one command, and is killed at a point of its way.

A line of the input is a life, as JSON; its line of the output says how it ended. Each is a fork, so that none has to
import anything.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.psmp.body_store import SealedText
from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.project_names import PostgresProjectNames
from metaqore_ai_gateway.adapters.psmp.project_writes import ProjectWrites
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.bootstrap_core import open_core
from metaqore_ai_gateway.bootstrap_psmp import Stores, open_psmp
from metaqore_ai_gateway.service.psmp.carry_out import CarryOut
from metaqore_ai_gateway.service.psmp.governed import Given
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.contracts.psmp import CommandSubmitted
from metaqore_governance_core.identity import Caller, Door
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.objects import ObjectSettings
from metaqore_mesh.run_directory import RunDirectory


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner, name):
    async def dying(*_, **__):
        die()

    setattr(owner, name, dying)


def after(owner, name):
    whole = getattr(owner, name)

    async def dying(*given, **named):
        await whole(*given, **named)
        die()

    setattr(owner, name, dying)


class Topic:
    """A file in the place of the topic of events."""

    def __init__(self, path, project):
        self.path, self.project = Path(path), project

    async def before_it_is_sent(self, _topic, _records):
        die()

    async def once_it_is_sent(self, _topic, records):
        with self.path.open("ab") as file:
            file.writelines(value + b"\n" for _, value, _ in records)
        if any(json.loads(value)["project"] == self.project for _, value, _ in records):
            die()
        return [None for _ in records]


POINTS = {
    "recorded": lambda: before(CarryOut, "__call__"),
    "sealed": lambda: before(PostgresKeptBodies, "keep"),
    "kept": lambda: after(PostgresKeptBodies, "keep"),
    "written": lambda: after(ProjectWrites, "everything"),
    "key_gone": lambda: before(SealedText, "drop"),
    "committed": lambda: after(CarryOut, "__call__"),
}


async def live(life):
    point, topic = life["point"], Topic(life["topic"], life["project"])
    POINTS.get(point, lambda: None)()
    publish = getattr(topic, point, topic.before_it_is_sent)
    settings = GatewaySettings(run_dir=life["run"], config=life["config"], gateway=GatewayGroup(spool_gather_s=0))
    async with (
        open_pool(life["url"], name="test", size=4) as pool,
        open_core(settings, PostgresProjectNames(pool), scanner=HyperscanScanner(), providers={}) as core,
    ):
        stores = Stores(life["url"], pool, RunDirectory(settings.run_dir), ObjectSettings(**life["objects"]))
        idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
        psmp = await open_psmp(stores, core.governing, idempotency, publish, "test")
        caller = Caller(**life["caller"] | {"scopes": frozenset(life["caller"]["scopes"])})
        command = CommandSubmitted.model_validate({"command": life["command"]}).command
        await psmp.gate(Given(caller, Door.REST, command, life["project"], life["key"], raw=b"raw"))
        await psmp.work[0]()  # the relay


def begin(life):
    try:
        asyncio.run(live(life))
    except BaseException:  # noqa: BLE001 - the fork ends here, whatever it was
        traceback.print_exc()
    os._exit(1)


for line in sys.stdin:
    pid = os.fork()
    if not pid:
        begin(json.loads(line))
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    sys.stdout.write("killed\n" if killed else "survived\n")
    sys.stdout.flush()
