"""A consumer process for `test_crash.py`: `HOST:PORT EMBEDDED TOPIC GROUP FILE`. It notes each record it has done."""

import asyncio
import sys
from pathlib import Path

from metaqore_mesh.kafka import Bus, ConsumerLimits
from metaqore_mesh.settings import KafkaSettings


async def main(bootstrap, embedded, topic, group, path):
    with Path(path).open("ab", buffering=0) as notes:  # noqa: ASYNC230 - a little file of a test

        async def handle(records):
            for record in records:
                await asyncio.sleep(0.002)
                notes.write(b"%d %d %s\n" % (record.partition, record.offset, record.value))

        bus = Bus(KafkaSettings(bootstrap_servers=bootstrap, embedded=embedded == "yes"), client_id=group)
        bus.consume([topic], group=group, handler=handle, limits=ConsumerLimits(batch_records=20))
        await bus.start()
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
