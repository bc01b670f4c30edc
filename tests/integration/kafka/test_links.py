"""The bus over a link that is cut, slow, or silent: nothing is lost, and it goes on by itself."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from metaqore_mesh.kafka import BrokerUnavailable
from metaqore_mesh.ports import free_ports
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.testing.kafka_bench import Bench, Seen, texts, until
from metaqore_mesh.testing.kafka_plugin import BrokerProcess
from toxiproxy import VENDORED, toxiproxy

pytestmark = pytest.mark.skipif(not VENDORED.is_dir(), reason="toxiproxy is not here")


@pytest.fixture
def link(tmp_path):
    """A broker behind a proxy, which is the only address it tells its clients."""
    [listen] = free_ports(1)
    broker = BrokerProcess(tmp_path / "broker.log", advertised_port=listen)
    broker.start()
    with toxiproxy(tmp_path) as proxy:
        yield proxy.link("broker", listen, broker.broker.port)
    broker.kill()


@pytest.fixture
def bench(link, fresh_name):
    return Bench(KafkaSettings(bootstrap_servers=link.address, embedded=True), fresh_name)


@asynccontextmanager
async def reading_and_consuming(bench):
    read, consumed = Seen(), Seen()
    async with bench.reading(read), bench.consuming(consumed) as (bus, _):

        async def have(count):
            wanted = {b"%d" % number for number in range(count)}
            await until(lambda: wanted <= set(read.values) and wanted <= set(consumed.values), 100)

        yield bus, have


async def publish(bench, bus, messages):
    await asyncio.gather(*(bus.publisher.publish(bench.topic, *message) for message in messages))


async def test_a_link_that_is_cut_and_mended(bench, link):
    async with reading_and_consuming(bench) as (bus, have):
        await publish(bench, bus, texts(50))
        await have(50)
        link.cut()
        await until(lambda: not bus.connected)
        waiting = asyncio.create_task(publish(bench, bus, texts(50, first=50)))
        await asyncio.sleep(2)
        link.mend()
        await waiting
        await have(100)
        assert bus.connected


async def test_a_link_that_is_slow(bench, link):
    async with reading_and_consuming(bench) as (bus, have):
        link.slow(300, 100)
        await publish(bench, bus, texts(50))
        await have(50)
        assert bus.connected


def silence(link):
    """From now on nothing comes through, while connections stay."""
    silent = {"name": "silent", "type": "timeout", "attributes": {"timeout": 0}}
    httpx.post(f"{link.api}/proxies/{link.name}/toxics", json=silent).raise_for_status()


def break_silence(link):
    httpx.delete(f"{link.api}/proxies/{link.name}/toxics/silent").raise_for_status()


async def test_a_link_that_falls_silent_is_noticed(bench, link):
    async with reading_and_consuming(bench) as (bus, have):
        await publish(bench, bus, texts(20))
        await have(20)
        silence(link)
        began = asyncio.get_running_loop().time()
        with pytest.raises(BrokerUnavailable):
            await bus.publisher.publish(bench.topic, b"k", b"lost?")
        assert asyncio.get_running_loop().time() - began < 45  # it would be for ever
        await until(lambda: not bus.connected, 60)
        break_silence(link)
        await publish(bench, bus, texts(20, first=20))
        await have(40)
