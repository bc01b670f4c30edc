"""Results of tasks, sent on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from metaqore_ai_gateway.adapters.inbox_codec import encode_result
from metaqore_ai_gateway.domain.task_result import ResultError, TaskResult
from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, RECEIPT_EXTENSION, SPEC_VERSION
from metaqore_governance_core.contracts.tasks import TaskCompleted
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka.errors import BrokerUnavailable, RecordTooLarge
from metaqore_mesh.kafka.records import Headers, Outgoing
from metaqore_mesh.telemetry.tracing import enabled, to_kafka

SOURCE: Final = "/metaqore/ai-gateway/tasks"

GATHER_S: Final = 0.01
"""Results that come within this time leave together, which makes each much cheaper."""

_FIXED: Final[Headers] = (
    ("content-type", CONTENT_TYPE.encode()),
    ("ce_specversion", SPEC_VERSION.encode()),
    ("ce_type", TaskCompleted.ce_type.encode()),
    ("ce_source", SOURCE.encode()),
)


class ResultPublisher(Protocol):
    """`Publisher` of `metaqore_mesh.kafka`."""

    async def publish_all(self, topic: str, records: Sequence[Outgoing], /) -> Sequence[MetaQoreError | None]:
        """Send records and wait for their acks. For each: None, or why it was not acked."""
        ...

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, /) -> object:
        """Send one record and wait for its ack, trying again for a while."""
        ...


class KafkaResults:
    """The port `ResultChannel` on Kafka. A result sent twice bears the same `ce_id`.

    `ce_requestsource` and `ce_requestid` name the event that asked. The record's key is that of the request, or its
    `ce_source` where it had none.
    """

    def __init__(self, publisher: ResultPublisher, new_id: Callable[[], str], *, gather_s: float = GATHER_S) -> None:
        self._publisher = publisher
        self._new_id = new_id
        self._gather_s = gather_s
        self._waiting: list[tuple[Outgoing, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending: asyncio.Task[None] | None = None

    async def send(self, result: TaskResult, reply_key: bytes) -> None:
        """Return once the broker has acked the result."""
        headers = self._headers(result)
        try:
            await self._publish(reply_key, encode_result(result), headers)
        except RecordTooLarge:
            error = ResultError(
                "answer_too_large", "The answer is larger than the broker takes. Ask for a shorter one."
            )
            await self._publish(reply_key, encode_result(replace(result, answer=None, error=error)), headers)

    async def _publish(self, key: bytes, value: bytes, headers: Headers) -> None:
        try:
            await self._gathered(key, value, headers)
        except BrokerUnavailable:
            await self._publisher.publish(TaskCompleted.topic, key, value, headers)

    def _gathered(self, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[None]:
        """A future of the ack. What comes while others are on their way leaves together, after them."""
        # Kept: to ask for the running loop is a system call (getpid) before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        acked: asyncio.Future[None] = loop.create_future()
        self._waiting.append(((key, value, headers), acked))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return acked

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._gather_s)
                going, self._waiting = self._waiting, []
                failures: Sequence[Exception | None]
                try:
                    failures = await self._publisher.publish_all(TaskCompleted.topic, [record for record, _ in going])
                except Exception as error:  # noqa: BLE001  it reaches whoever waits for an ack
                    failures = [error] * len(going)
                for (_, acked), failure in zip(going, failures, strict=True):
                    _settle(acked, failure)
        finally:
            self._sending = None

    def _headers(self, result: TaskResult) -> Headers:
        request = result.request
        headers = (
            *_FIXED,
            ("ce_id", (result.task or self._new_id()).encode()),
            ("ce_requestsource", request.source.encode()),
            ("ce_requestid", request.id.encode()),
        )
        if result.task:
            headers = (*headers, ("ce_subject", result.task.encode()))
        if result.receipt_token:
            headers = (*headers, (f"ce_{RECEIPT_EXTENSION}", result.receipt_token.encode()))
        return (*headers, *to_kafka()) if enabled() else headers


def _settle(acked: asyncio.Future[None], error: Exception | None) -> None:
    if acked.done():
        return
    if error is None:
        acked.set_result(None)
    else:
        acked.set_exception(error)
