"""Appends in a child process that is killed at random points, round after round. Run by `test_crash.py`.

`crash_loop.py DIRECTORY ROUNDS SEED`: what was acknowledged goes to DIRECTORY/acknowledged, a line each, and every
group that the spool may remove first to DIRECTORY/collected, both by plain writes, which outlive the process.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.group import parse_group
from metaqore_governance_core.receipts import token
from metaqore_governance_core.records import Commitment, DecisionRecord, OutcomeRecord, Personal
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import FileSpool, SpoolLimits

KEY = WriterKey("gw-" + "a" * 26, Ed25519PrivateKey.from_private_bytes(b"k" * 32))
LIMITS = SpoolLimits(segment_bytes=60_000, disk_bytes=100 << 20, group_records=20)
APPENDERS = 24
ORGANIZATIONS = ("org_a", "org_b", "org_c")


def decision(task, organization, padding):
    return lambda numbers: DecisionRecord(
        caller="key_a",
        door="rest",
        findings={},
        model="m",
        organization=organization,
        organization_sequence=numbers.organization_sequence,
        personal=Personal("Ann"),
        policy="default",
        policy_version="0123456789abcdef",
        project=None,
        prompt=Commitment("ab" * 32, "0123456789abcdef", 12),
        reasons=(padding,),
        receipt=f"receipt-{task}",
        sensitivity="PUBLIC",
        sensitivity_sources=(),
        sequence=numbers.sequence,
        task=task,
        time_us=1,
        verdict="permit",
        writer=numbers.writer,
    )


def outcome(task, organization, leaf_hash, state):
    return lambda numbers: OutcomeRecord(
        answer=None,
        attempts=1,
        completion_tokens=None,
        decision=leaf_hash,
        duration_us=1,
        error=None,
        finish_reason=None,
        locality=None,
        model=None,
        organization=organization,
        organization_sequence=numbers.organization_sequence,
        prompt_tokens=None,
        provider=None,
        receipt=f"receipt-{task}",
        sequence=numbers.sequence,
        state=state,
        task=task,
        time_us=2,
        writer=numbers.writer,
    )


def whole_lines(path):
    """A descriptor to append to `path`, and what it holds without the line that a kill tore."""
    kept = path.read_bytes() if path.exists() else b""
    whole = kept[: kept.rfind(b"\n") + 1]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.ftruncate(file, len(whole))
    return file, whole


async def collect(spool, directory):
    """Stand in for broker and auditor: keep each group once, and release what is kept."""
    file, whole = whole_lines(directory / "collected")
    sealed = 0
    if whole:
        last = parse_group(whole.splitlines()[-1]).head
        sealed = last.first_sequence + last.count - 1
    async for group in spool.read(sealed + 1):
        spool.release("sealed", group.first_sequence - 1)
        os.write(file, group.value + b"\n")


async def child(directory, round_, chance):
    """Recover, end what a kill left open, then append until killed."""
    acknowledged, _ = whole_lines(directory / "acknowledged")
    spool = await FileSpool.open(directory / "spool", KEY, limits=LIMITS)
    collector = asyncio.create_task(collect(spool, directory))
    for task, opened in list(spool.state.open.items()):
        await spool.append(opened.organization, outcome(task, opened.organization, opened.leaf_hash, "interrupted"))

    async def appender(name):
        number = 0
        while True:
            task, organization = f"{round_}-{name}-{number}", ORGANIZATIONS[(name + number) % 3]
            number += 1
            padding = "x" * chance.choice((0, 10, 300, 5_000))
            decided = await spool.append(organization, decision(task, organization, padding))
            receipt = token(decided.receipt(f"receipt-{task}", organization, task))
            os.write(acknowledged, f"decision {task} {decided.sequence} {receipt}\n".encode())
            ended = await spool.append(organization, outcome(task, organization, decided.leaf_hash.hex(), "done"))
            os.write(acknowledged, f"outcome {task} {ended.sequence} -\n".encode())

    await asyncio.gather(collector, *map(appender, range(APPENDERS)))


def main():
    """Fork, wait a little, kill; a child that ends by itself is a failure."""
    directory, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)  # noqa: S311 - the same rounds for the same seed
    for round_ in range(rounds):
        pid = os.fork()
        if pid == 0:
            try:
                uvloop.run(child(directory, round_, random.Random(seed + round_)))  # noqa: S311 - see above
            finally:
                os._exit(3)
        time.sleep(chance.uniform(0.002, 0.18))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
