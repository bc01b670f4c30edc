"""The bus: records reach a handler raw, and an offset is committed only after its effect."""

from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.kafka.consumer import BatchConsumer
from metaqore_mesh.kafka.dead_letters import DeadLetters
from metaqore_mesh.kafka.delivery import ConsumerLimits, Handler
from metaqore_mesh.kafka.errors import BrokerUnavailable, PoisonRecord, RecordTooLarge
from metaqore_mesh.kafka.probe import BrokerProbe
from metaqore_mesh.kafka.publisher import Published, Publisher
from metaqore_mesh.kafka.reader import TopicReader
from metaqore_mesh.kafka.records import Headers, KafkaRecord, Outgoing
from metaqore_mesh.kafka.topics import Topics, TopicSpec

__all__ = [
    "BatchConsumer",
    "BrokerProbe",
    "BrokerUnavailable",
    "Bus",
    "ConsumerLimits",
    "DeadLetters",
    "Handler",
    "Headers",
    "KafkaRecord",
    "Outgoing",
    "PoisonRecord",
    "Published",
    "Publisher",
    "RecordTooLarge",
    "TopicReader",
    "TopicSpec",
    "Topics",
]
