"""kill -9 of every part at random points, while every door is in use; then count.

- Every acknowledged task has exactly one decision and one outcome record in the log.
- So has every other task that was decided: one that was cut off ends as `interrupted`.
- Every receipt that a client was given verifies, and its record is in the log.
- No provider saw a task without a permitting decision.
- On a broker that keeps what it acks, every task that it acked has a result.
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from crash_load import Ledger, Load
from killing import VENDORED_KAFKA, Killer, VendoredKafka
from running_mesh import eventually, running_mesh
from sealed_log import check_receipts, sealed_records, settle

ROUNDS = int(os.environ.get("METAQORE_CRASH_ROUNDS", "200"))
TWO_TOGETHER = 0.25
LONGEST_PAUSE_S = 1.0

CONFIG = """
policy: default
default_model: stub
allowpaths:
  - {{effect: allow, caller: "*", tool: "model.*", verb: generate}}
providers:
  - {{name: stub, kind: openai, locality: local, base_url: "http://127.0.0.1:{port}/v1"}}
  - {{name: local, kind: inference, locality: local}}
models:
  - {{name: stub, routes: [{{provider: stub, model: stub}}]}}
  - {{name: smollm2-135m, routes: [{{provider: local, model: smollm2-135m}}]}}
"""


@pytest.fixture
def provider(tmp_path):
    port_file, effects = tmp_path / "port", tmp_path / "effects"
    script = Path(__file__).parents[1] / "support" / "stub_provider.py"
    process = subprocess.Popen([sys.executable, str(script), str(port_file), str(effects)])
    eventually(lambda: port_file.exists() and port_file.read_text())
    yield int(port_file.read_text()), effects
    process.kill()
    process.wait()


@pytest.mark.crash
@pytest.mark.timeout(1700)
@pytest.mark.parametrize("broker", ["embedded", "apache"])
async def test_nothing_acknowledged_is_lost_or_doubled(broker, tmp_path, provider):
    both = VENDORED_KAFKA.exists()
    if broker == "apache" and not both:
        pytest.skip("no Apache Kafka here to kill: the rounds run over the embedded broker")
    rounds = ROUNDS // 2 if both else ROUNDS
    port, effects = provider
    config = tmp_path / "metaqore.yaml"
    config.write_text(CONFIG.format(port=port))
    kafka = VendoredKafka(tmp_path / "kafka") if broker == "apache" else None
    variables = {"METAQORE_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka.port}"} if kafka else {}
    try:
        with running_mesh(tmp_path / "mesh", "--config", str(config), **variables) as mesh:
            ledger = Ledger()
            load = Load(mesh, ledger, mesh.endpoints["kafka"], idempotent=kafka is not None)
            running = asyncio.create_task(load.run())
            killer = Killer(mesh, kafka)
            await _rounds(killer, rounds, ledger, running)
            load.stop()
            await running
            expected = ledger.on_topic if kafka else set()
            await load.read_all_results(expected, within_s=60)
            await asyncio.to_thread(settle, mesh)
            _count(mesh, ledger, effects, expected, killer.kills)
    finally:
        if kafka:
            kafka.stop()


async def _rounds(killer, rounds, ledger, running):
    parts = ["ai-gateway", "compliance-auditor", "inference", "broker"]
    started = time.monotonic()
    for number in range(rounds):
        await asyncio.sleep(random.uniform(0.05, LONGEST_PAUSE_S))
        await killer.kill(random.sample(parts, 2 if random.random() < TWO_TOGETHER else 1))
        assert not running.done(), running.exception()
        if number % 10 == 9:
            print(
                f"round {number + 1} of {rounds}: {len(ledger.acknowledged)} acknowledged, "
                f"{ledger.failures} refused or cut off, {time.monotonic() - started:.0f} s",
                flush=True,
            )


def _count(mesh, ledger, effects, expected, kills):
    records = sealed_records(mesh)
    decisions = Counter(record["task"] for record in records if record["kind"] == "decision")
    outcomes = Counter(record["task"] for record in records if record["kind"] == "outcome")
    permitted = {r["task"] for r in records if r["kind"] == "decision" and r["verdict"] == "permit"}
    states = Counter(record["state"] for record in records if record["kind"] == "outcome")
    print(
        f"kills {dict(kills)}; {len(records)} records, {len(decisions)} tasks {dict(states)}; "
        f"{len(ledger.acknowledged)} acknowledged {dict(Counter(ledger.acknowledged.values()))}, "
        f"{len(ledger.receipts)} receipts"
    )
    assert {task: decisions[task] for task in ledger.acknowledged if decisions[task] != 1} == {}
    assert {task: outcomes[task] for task in ledger.acknowledged if outcomes[task] != 1} == {}
    assert {task: count for task, count in decisions.items() if count != 1 or outcomes[task] != 1} == {}
    assert outcomes.keys() <= decisions.keys()
    assert expected <= ledger.results.keys(), f"{len(expected - ledger.results.keys())} acked tasks have no result"
    check_receipts(mesh, ledger.receipts, records)
    seen = set(effects.read_text().split())
    assert seen, "the provider saw nothing"
    assert seen <= permitted, "the provider saw tasks without a permitting decision"
    assert mesh.json("audit", "verify", "--all")["faults"] == []
