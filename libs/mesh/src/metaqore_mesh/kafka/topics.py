"""Topics, made where they are missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from metaqore_mesh.kafka.connection import client_options
from metaqore_mesh.kafka.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metaqore_mesh.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that must exist. `replication` -1 takes the broker's default; `configs` are Kafka's topic settings."""

    name: str
    partitions: int = 4
    replication: int = -1
    configs: Mapping[str, str] = field(default_factory=dict)


class Topics:
    """Makes topics and looks which exist. A connection of its own for each call: these are rare."""

    def __init__(self, settings: KafkaSettings, *, client_id: str = "metaqore-topics") -> None:
        self._settings = settings
        self._client_id = client_id

    async def ensure(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing; what exists stays as it is. Raises `BrokerUnavailable`."""
        if not specs:
            return
        # aiokafka takes -1 replicas only together with assignments, which may be empty.
        wanted = [
            NewTopic(spec.name, spec.partitions, spec.replication, {}, topic_configs=dict(spec.configs))
            for spec in specs
        ]
        try:
            async with _Admin(self._settings, self._client_id) as admin:
                answer = await admin.create_topics(wanted)
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable("The topics could not be created: no answer from the broker.") from error
        for topic, code, *_ in answer.topic_errors:
            error_type = for_code(code)
            if code and error_type is not TopicAlreadyExistsError:
                raise BrokerUnavailable(f"The topic {topic} could not be created: {error_type.__name__}.")

    async def existing(self) -> frozenset[str]:
        """The names of the topics there are. Raises `BrokerUnavailable`."""
        try:
            async with _Admin(self._settings, self._client_id) as admin:
                return frozenset(await admin.list_topics())
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable("The topics could not be listed: no answer from the broker.") from error

    async def partitions(self, names: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic of `names` has; those that do not exist are left out. Raises
        `BrokerUnavailable`.
        """
        try:
            async with _Admin(self._settings, self._client_id) as admin:
                described = await admin.describe_topics(list(names))
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable("The topics could not be described: no answer from the broker.") from error
        return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["partitions"]}


class _Admin:
    """An admin client that is closed again even where its start failed."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._client = AIOKafkaAdminClient(**client_options(settings, client_id))

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await self._client.start()
        except BaseException:
            await self._client.close()
            raise
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
