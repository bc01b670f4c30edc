"""kill -9 of the gateway, its database and its broker while agents work through every door of PSMP; then count.

- Every command that was answered happened once and whole, or not at all where it was refused; a repeat under its key is
  answered with the same receipt and version, and nothing happened that nobody was told of.
- Versions of projects have no gap; what is kept beside the events is what they fold to; of a name one is active.
- Every event has the record of a permitted command, which is older; every receipt verifies offline.
- Every body that a version names can be read, or is erased; the collector leaves no object without a row.
- Every event comes to its topic at least once, in its project's order, on a broker that keeps what it acks.
"""

import asyncio
import os
import random
import time
from collections import Counter

import pytest

from killing import VENDORED_KAFKA, Killer, VendoredKafka
from metaqore_governance_core.contracts.topics import PSMP_EVENTS
from metaqore_governance_core.receipts import parse_token
from metaqore_mesh.run_directory import RunDirectory
from psmp_account import (
    check_bodies,
    check_commands,
    check_history,
    check_objects,
    check_records,
    check_topic,
    kept_of,
)
from psmp_doors import GrpcDoor, RestDoor
from psmp_kafka_door import KafkaDoor, records
from psmp_load import PEOPLE, Ledger, Load, repeat_all
from running_mesh import eventually, running_mesh
from sealed_log import check_receipts, sealed_records

ROUNDS = int(os.environ.get("METAQORE_PSMP_CRASH_ROUNDS", "32"))
VICTIMS = {"ai-gateway": 12, "postgres": 4, "broker": 2, "compliance-auditor": 1}
TWO_TOGETHER = 0.15
LONGEST_PAUSE_S = 2.5
REPEATED_AT_THE_END = 200
TOPIC_IDLE_S = 3.0


@pytest.mark.crash
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("broker", ["embedded", "apache"])
async def test_every_command_that_was_answered_happened_once_and_whole(broker, tmp_path):
    both = VENDORED_KAFKA.exists()
    if broker == "apache" and not both:
        pytest.skip("no Apache Kafka here to kill: the rounds run over the embedded broker")
    rounds = ROUNDS // 2 if both else ROUNDS
    kafka = VendoredKafka(tmp_path / "kafka") if broker == "apache" else None
    variables = {"METAQORE_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.port}"} if kafka else {}
    try:
        with running_mesh(tmp_path / "mesh", METAQORE_RESTART__MOST_S="1", **variables) as mesh:
            made = {
                who: mesh.json("key", "create", who, *[word for one in scopes for word in ("--scope", one)])
                for who, scopes in PEOPLE.items()
            }
            await _crash(mesh, kafka, rounds, made)
    finally:
        if kafka:
            kafka.stop()


async def _crash(mesh, kafka, rounds, made):
    secrets = {who: key["secret"] for who, key in made.items()}
    [organization] = {key["organization"] for key in made.values()}
    at, ledger = mesh.endpoints, Ledger()
    rest, grpc = RestDoor(at["rest"], secrets), GrpcDoor(at["grpc"], secrets)
    kafka_door = KafkaDoor(at["kafka"], secrets, idempotent=kafka is not None)
    load = Load(organization, rest, grpc, kafka_door, ledger)
    try:
        running = asyncio.create_task(load.run())
        killer = Killer(mesh, kafka)
        broker_since_us = await _rounds(killer, rounds, ledger, running)
        load.stop()
        await running
        again = random.sample(sorted(ledger.told, key=lambda one: one.key), min(REPEATED_AT_THE_END, len(ledger.told)))
        await repeat_all(load, again)
        assert kafka_door.contradictions == []
        print(
            f"kills {dict(killer.kills)}; {len(ledger.told)} commands over {dict(Counter(ledger.doors.values()))}: "
            f"{len(ledger.done)} done, {ledger.repeated} repeated; unanswered {dict(ledger.unanswered)}",
            flush=True,
        )
        await _count(mesh, organization, ledger, rest, 0 if kafka else broker_since_us)
    finally:
        for door in (rest, grpc, kafka_door):
            await door.close()


async def _rounds(killer, rounds, ledger, running):
    """Gives since when, in microseconds since the Unix epoch, the broker was not killed.

    The embedded one forgets what it had: it is killed in the first half alone, so that its topics can be counted.
    """
    broker_since_us, started = 0, time.monotonic()
    for number in range(rounds):
        await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))
        victims = dict(VICTIMS)
        if number >= rounds // 2:
            del victims["broker"]
        chosen = set(
            random.choices([*victims], weights=[*victims.values()], k=2 if random.random() < TWO_TOGETHER else 1)
        )
        await killer.kill(sorted(chosen))
        if "broker" in chosen:
            broker_since_us = time.time_ns() // 1000
        if running.done():
            running.result()
        if number % 5 == 4:
            print(
                f"round {number + 1} of {rounds}: {len(ledger.told)} answered, "
                f"{ledger.unanswered.total()} cut off, {time.monotonic() - started:.0f} s",
                flush=True,
            )
    return broker_since_us


async def _count(mesh, organization, ledger, rest, since_us):
    run = RunDirectory(mesh.run_dir)
    kept = await kept_of(run, organization)
    check_history(kept)
    check_commands(kept, ledger)
    log = await asyncio.to_thread(eventually, lambda: _sealed(mesh, ledger), within_s=90, every_s=2)
    check_records(kept, ledger, log)
    check_receipts(mesh, ledger.receipts, log)
    assert mesh.json("audit", "verify", "--all")["faults"] == []
    readable = await check_bodies(kept, ledger, rest)
    objects, small = await check_objects(run)
    values = [value async for value in records(mesh.endpoints["kafka"], PSMP_EVENTS, TOPIC_IDLE_S)]
    again = check_topic(kept, values, since_us=since_us)
    print(
        f"{len(kept.events)} events of {len(kept.projects)} projects, {len(log)} records, "
        f"{readable} readable versions, {objects} objects, {small} texts in rows, "
        f"{len(values)} messages, {again} of them again"
    )


def _sealed(mesh, ledger):
    """The log, once it has every record that a receipt promises."""
    log = sealed_records(mesh)
    return log if {parse_token(one).id for one in ledger.receipts} <= {one["receipt"] for one in log} else None
