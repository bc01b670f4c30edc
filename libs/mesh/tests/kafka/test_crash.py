"""A consumer that is killed in the middle of a batch: what it had not finished comes again, nothing is lost."""

import asyncio
import sys
from pathlib import Path

from metaqore_mesh.testing.kafka_bench import texts, until

PROCESS = Path(__file__).with_name("consume_until_killed.py")
RECORDS = 600


async def test_killed_in_the_middle_of_a_batch_nothing_is_lost(bench, tmp_path):
    notes = tmp_path / "notes"
    notes.touch()
    async with bench.bus() as bus:
        await bench.publish(bus, texts(RECORDS))
    for kill_at in (150, RECORDS):
        process = await consumer(bench, notes)
        await until(lambda at=kill_at: len(done(notes)) >= at, 40)
        process.kill()
        await process.wait()
        committed = await bench.committed()
        handled = {(partition, offset) for partition, offset, _ in done(notes)}
        for partition, offset in committed.items():
            assert {(partition, before) for before in range(offset)} <= handled, "committed past what was not handled"
    assert {value for _, _, value in done(notes)} == {b"%d" % number for number in range(RECORDS)}


async def consumer(bench, notes):
    embedded = "yes" if bench.settings.embedded else "no"
    arguments = (bench.settings.bootstrap_servers, embedded, bench.topic, bench.group, str(notes))
    return await asyncio.create_subprocess_exec(sys.executable, str(PROCESS), *arguments)


def done(notes):
    """The records noted, each once; the last line may be cut off."""
    lines = notes.read_bytes().split(b"\n")[:-1]
    return {(int(partition), int(offset), value) for partition, offset, value in (line.split() for line in lines)}
