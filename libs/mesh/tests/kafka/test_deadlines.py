import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError

from metaqore_mesh.kafka.deadlines import Deadlines


async def test_only_what_is_late_fails_and_what_is_forgotten_does_not():
    deadlines = Deadlines(0.2)
    loop = asyncio.get_running_loop()
    late, done, forgotten, young = (loop.create_future() for _ in range(4))
    for future in (late, done, forgotten):
        deadlines.watch(future, loop.time())
    done.set_result(1)
    deadlines.forget(forgotten)
    await asyncio.sleep(0.15)
    deadlines.watch(young, loop.time())
    with pytest.raises(KafkaTimeoutError):
        await late
    assert await done == 1
    assert not forgotten.done()
    assert not young.done()
    for future in (late, done, young):
        deadlines.forget(future)


async def test_after_a_rest_it_watches_again():
    deadlines = Deadlines(0.05)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        future = loop.create_future()
        deadlines.watch(future, loop.time())
        with pytest.raises(KafkaTimeoutError):
            await future
        deadlines.forget(future)
        await asyncio.sleep(0.1)
