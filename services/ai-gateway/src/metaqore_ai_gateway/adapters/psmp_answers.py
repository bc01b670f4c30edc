"""Answers to commands, sent on the bus."""

from __future__ import annotations

import hashlib
from typing import Final

import structlog

from metaqore_ai_gateway.adapters.gathered_sends import GatheredSends, GatheringPublisher
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, RECEIPT_EXTENSION, SPEC_VERSION
from metaqore_governance_core.contracts.psmp import CommandAnswered
from metaqore_mesh.kafka.errors import RecordTooLarge
from metaqore_mesh.kafka.records import Headers
from metaqore_mesh.telemetry.tracing import enabled, to_kafka

SOURCE: Final = "/metaqore/ai-gateway/psmp"
MAX_ANSWER_BYTES: Final = 768 * 1024
"""Below what a topic takes, which is a megabyte unless its keeper says otherwise."""

_FIXED: Final[Headers] = (
    ("content-type", CONTENT_TYPE.encode()),
    ("ce_specversion", SPEC_VERSION.encode()),
    ("ce_type", CommandAnswered.ce_type.encode()),
    ("ce_source", SOURCE.encode()),
)

_log = structlog.get_logger()


class KafkaAnswers:
    """The port `AnswerChannel` on Kafka. An answer sent twice bears the same `ce_id`.

    `ce_requestsource` and `ce_requestid` name the event that asked. The record's key is that of the command, or its
    `ce_source` where it had none. An answer that is larger than a record may be names fewer conflicts, and of each the
    clashing parties alone; what it changed is left out last.
    """

    def __init__(self, publisher: GatheringPublisher) -> None:
        self._sends = GatheredSends(publisher, CommandAnswered.topic)

    async def send(self, answer: CommandAnswered, reply_key: bytes) -> None:
        """Return once the broker has acked the answer. Raises `BrokerUnavailable`."""
        headers = _headers(answer)
        try:
            await self._sends.send(reply_key, encode_within(answer, MAX_ANSWER_BYTES), headers)
        except RecordTooLarge:
            await self._sends.send(reply_key, encode_within(answer, 0), headers)


def encode_within(answer: CommandAnswered, limit_bytes: int) -> bytes:
    """The answer as JSON, shortened where it has more than `limit_bytes`; the bare answer where that does not help."""
    value = answer.model_dump_json().encode()
    if len(value) <= limit_bytes:
        return value
    _log.warning("psmp.answer_shortened", command=answer.name, size_bytes=len(value))
    conflicts = [one.model_copy(update={"parties": one.clashing}) for one in answer.conflicts]
    while conflicts and len(value) > limit_bytes:
        value = answer.model_copy(update={"conflicts": conflicts}).model_dump_json().encode()
        conflicts = conflicts[: len(conflicts) // 2]
    if len(value) <= limit_bytes:
        return value
    value = answer.model_copy(update={"conflicts": []}).model_dump_json().encode()
    if len(value) <= limit_bytes:
        return value
    return answer.model_copy(update={"conflicts": [], "ways_out": [], "changes": []}).model_dump_json().encode()


def _headers(answer: CommandAnswered) -> Headers:
    request = answer.request
    named = canonical([answer.organization, request.source, request.id])
    headers: Headers = (
        *_FIXED,
        ("ce_id", hashlib.sha256(named).hexdigest().encode()),
        ("ce_requestsource", request.source.encode()),
        ("ce_requestid", request.id.encode()),
    )
    if answer.receipt_token:
        headers = (*headers, (f"ce_{RECEIPT_EXTENSION}", answer.receipt_token.encode()))
    return (*headers, *to_kafka()) if enabled() else headers
