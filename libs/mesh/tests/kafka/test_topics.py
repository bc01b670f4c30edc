"""Topics are made once, where they are missing, on every broker."""

import pytest

from metaqore_mesh.kafka import BrokerUnavailable, Topics, TopicSpec
from metaqore_mesh.settings import KafkaSettings


async def test_ensure_makes_what_is_missing_and_may_be_repeated(kafka_settings, fresh_name):
    topics = Topics(kafka_settings, client_id="test")
    one, two = (
        TopicSpec(f"{fresh_name}.1", partitions=3),
        TopicSpec(f"{fresh_name}.2", configs={"retention.ms": "60000"}),
    )
    await topics.ensure([one])
    await topics.ensure([one, two])
    assert await topics.partitions([one.name, two.name]) == {one.name: 3, two.name: 4}
    assert {one.name, two.name} <= await topics.existing()


async def test_without_a_broker_it_says_so():
    topics = Topics(KafkaSettings(bootstrap_servers="127.0.0.1:1"), client_id="test")
    with pytest.raises(BrokerUnavailable):
        await topics.ensure([TopicSpec("any")])
    with pytest.raises(BrokerUnavailable):
        await topics.existing()
    with pytest.raises(BrokerUnavailable):
        await topics.partitions(["any"])
