"""Results of tasks, sent on the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from metaqore_ai_gateway.adapters.gathered_sends import GatheredSends, GatheringPublisher
from metaqore_ai_gateway.adapters.inbox_codec import encode_result
from metaqore_ai_gateway.domain.task_result import ResultError, TaskResult
from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, RECEIPT_EXTENSION, SPEC_VERSION
from metaqore_governance_core.contracts.tasks import TaskCompleted
from metaqore_mesh.kafka.errors import RecordTooLarge
from metaqore_mesh.kafka.records import Headers
from metaqore_mesh.telemetry.tracing import enabled, to_kafka

SOURCE: Final = "/metaqore/ai-gateway/tasks"

_FIXED: Final[Headers] = (
    ("content-type", CONTENT_TYPE.encode()),
    ("ce_specversion", SPEC_VERSION.encode()),
    ("ce_type", TaskCompleted.ce_type.encode()),
    ("ce_source", SOURCE.encode()),
)


class KafkaResults:
    """The port `ResultChannel` on Kafka. A result sent twice bears the same `ce_id`.

    `ce_requestsource` and `ce_requestid` name the event that asked. The record's key is that of the request, or its
    `ce_source` where it had none.
    """

    def __init__(self, publisher: GatheringPublisher, new_id: Callable[[], str]) -> None:
        self._sends = GatheredSends(publisher, TaskCompleted.topic)
        self._new_id = new_id

    async def send(self, result: TaskResult, reply_key: bytes) -> None:
        """Return once the broker has acked the result."""
        headers = self._headers(result)
        try:
            await self._sends.send(reply_key, encode_result(result), headers)
        except RecordTooLarge:
            error = ResultError(
                "answer_too_large", "The answer is larger than the broker takes. Ask for a shorter one."
            )
            await self._sends.send(reply_key, encode_result(replace(result, answer=None, error=error)), headers)

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
