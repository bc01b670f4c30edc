"""kill -9 at random points, and a file that may grow no further, in real processes."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from metaqore_governance_core.group import parse_group, verify_group
from metaqore_governance_core.receipts import parse_token, verify, verify_record

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

PROGRAMS = Path(__file__).parent
ROUNDS = int(os.environ.get("METAQORE_SPOOL_CRASH_ROUNDS", "40"))


async def run(program, *arguments):
    """Run one of the programs beside this file to its end; its status and standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAMS / program, *map(str, arguments), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_what_was_acknowledged_outlives_any_kill(make, tmp_path):
    seed = random.randrange(1_000_000)  # noqa: S311 - other moments at every run; the message names them
    status, _ = await run("crash_loop.py", tmp_path, ROUNDS, seed)
    assert status == 0, f"a child ended by itself; seed {seed}"

    spool = await make.spool()
    assert spool.first_sequence > 1
    values = [line for line in (tmp_path / "collected").read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    reader = spool.reader(spool.first_sequence)
    while reader.position <= spool.durable_through:
        values += [group.value for group in await reader.next_groups()]
    records = {}
    for value in values:
        group = parse_group(value)
        verify_group(group, make.key.public_bytes)
        for sequence, record in enumerate(group.records, group.head.first_sequence):
            assert records.setdefault(sequence, record) == record, f"seed {seed}"
    assert sorted(records) == list(range(1, spool.durable_through + 1)), f"seed {seed}"

    said = (tmp_path / "acknowledged").read_text()
    acknowledged = [line.split() for line in said[: said.rfind("\n") + 1].splitlines()]  # a kill may tear the last
    assert len(acknowledged) > ROUNDS
    for kind, task, sequence, receipt in acknowledged:
        record = json.loads(records[int(sequence)])
        assert (record["kind"], record["task"]) == (kind, task), f"seed {seed}"
        if kind == "decision":
            promise = parse_token(receipt)
            verify(promise, make.key.public_bytes)
            verify_record(promise, records[int(sequence)])

    seen = Counter((record["kind"], record["task"]) for record in map(json.loads, records.values()))
    assert set(seen.values()) == {1}, f"seed {seed}"
    decided = {task for kind, task in seen if kind == "decision"}
    ended = {task for kind, task in seen if kind == "outcome"}
    assert decided - ended == set(spool.state.open), f"seed {seed}"


async def test_a_file_that_may_grow_no_further_refuses_and_a_restart_finds_what_was_acknowledged(make, tmp_path):
    status, output = await run("limited_file.py", tmp_path, 30_000)
    assert status == 0
    acknowledged, reason = output.splitlines()[-1].split(" ", 1)
    assert "File too large" in reason
    assert int(acknowledged) > 10
    assert (make.directory / f"{1:020d}.seg").stat().st_size == 30_000
    spool = await make.spool()
    assert spool.durable_through == int(acknowledged)
    assert (await spool.append("org_a", make.decision("next"))).sequence == int(acknowledged) + 1
