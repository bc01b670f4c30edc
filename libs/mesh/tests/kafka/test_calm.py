"""What a client repeats while its broker is away is logged once in a while, and anything new at once."""

import asyncio
import logging

import pytest

from metaqore_mesh.kafka.calm import Seldom, calm_aiokafka
from metaqore_mesh.testing.kafka_bench import Bench, until


def record(line, *given, name="aiokafka.client"):
    return logging.LogRecord(name, logging.ERROR, "", 1, line, given, None)


def test_a_line_passes_once_in_a_while_and_another_at_once():
    now = [0.0]
    seldom = Seldom(60.0, lambda: now[0])
    assert seldom.filter(record("no node %s", 1))
    assert not seldom.filter(record("no node %s", 2))
    assert seldom.filter(record("another %s", 1))
    assert seldom.filter(record("no node %s", 1, name="aiokafka.conn"))
    now[0] = 61.0
    assert seldom.filter(record("no node %s", 1))


def test_it_is_put_on_every_logger_of_the_library_once():
    calm_aiokafka()
    calm_aiokafka()
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.sender"):
        assert len([one for one in logging.getLogger(name).filters if isinstance(one, Seldom)]) == 1


@pytest.fixture
def bench(mortal_broker, fresh_name):
    return Bench(mortal_broker.settings, fresh_name)


async def test_a_broker_that_is_away_fills_no_log(bench, mortal_broker, caplog):
    async with bench.bus() as bus:
        await bus.publisher.publish(bench.topic, b"k", b"v")
        caplog.clear()
        mortal_broker.kill()
        await until(lambda: not bus.connected)
        await asyncio.sleep(3)
        lines = [one for one in caplog.records if one.name.startswith("aiokafka")]
        assert len(lines) == len({(one.name, one.msg) for one in lines})
