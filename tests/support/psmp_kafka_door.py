"""Commands of PSMP through Kafka, and what they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_RESULTS
from psmp_doors import DEADLINE_S, Order, Told, UnansweredError

SOURCE = "psmp-crash"


class KafkaDoor:
    """The topics of commands and of their answers; both clients are made anew when their broker was killed."""

    def __init__(self, servers: str, secrets: Mapping[str, str], *, idempotent: bool) -> None:
        self._servers = servers
        self._secrets = secrets
        self._idempotent = idempotent
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._answers: dict[str, Told] = {}
        self.contradictions: list[tuple[str, Told, Told]] = []
        self._arrived: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Leave."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._drop()

    async def give(self, order: Order) -> Told:
        """Send it, and wait for an answer that came after that."""
        arrived = self._arrived[order.key] = asyncio.Event()
        headers = {
            "authorization": f"Bearer {self._secrets[order.who]}",
            "ce_specversion": "1.0",
            "ce_type": "metaqore.psmp.submitted.v1",
            "ce_source": SOURCE,
            "ce_id": order.key,
        }
        value = json.dumps({"command": dict(order.fields), "project": order.project or None}).encode()
        raw = [(name, text.encode()) for name, text in headers.items()]
        try:
            async with asyncio.timeout(DEADLINE_S):
                producer = await self._started()
                await producer.send_and_wait(PSMP_COMMANDS, value, key=order.project.encode(), headers=raw)
                await arrived.wait()
        except TimeoutError as error:
            raise UnansweredError("no answer") from error
        except (KafkaError, OSError) as error:
            await self._drop()
            raise UnansweredError(repr(error)) from error
        return self._answers[order.key]

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = AIOKafkaProducer(
                    bootstrap_servers=self._servers,
                    enable_idempotence=self._idempotent,
                    acks="all",
                    request_timeout_ms=5000,
                )
                await self._producer.start()
            return self._producer

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(DEADLINE_S):
                    await producer.stop()

    async def _read(self) -> None:
        while True:
            with contextlib.suppress(KafkaError, OSError):
                async for value in records(self._servers, PSMP_RESULTS):
                    self._take(json.loads(value))
            await asyncio.sleep(0.2)

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["request"]["source"] != SOURCE:
            return
        key, error = answer["request"]["id"], answer["error"]
        told = Told(
            "done" if error is None else error["code"],
            answer["receipt_token"],
            answer["project_version"],
            (answer["project"] or "") if error is None else "",
            tuple(one["id"] for one in answer["conflicts"]) if error is None else (),
        )
        before = self._answers.setdefault(key, told)
        if before != told:
            self.contradictions.append((key, before, told))
        self._arrived[key].set()


async def records(servers: str, topic: str, idle_s: float | None = None) -> AsyncIterator[bytes]:
    """The values of a topic from its beginning; until none came for `idle_s` seconds, or for ever."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    try:
        await consumer.start()
        while batches := await consumer.getmany(timeout_ms=int((idle_s or 0.5) * 1000)) or idle_s is None:
            if batches is not True:
                for batch in batches.values():
                    for record in batch:
                        yield record.value
    finally:
        await consumer.stop()
