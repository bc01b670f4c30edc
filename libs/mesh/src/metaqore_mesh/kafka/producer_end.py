"""The end of an aiokafka producer, which tells of its death to nobody and leaves behind what waits for it."""

# ruff: noqa: SLF001 - aiokafka offers no other way to any of this

from __future__ import annotations

import asyncio
import contextlib
from itertools import chain
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import KafkaConnectionError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

log = structlog.get_logger(__name__)


def is_broken(producer: AIOKafkaProducer) -> bool:
    """Whether it will never send again."""
    sender = producer._sender.sender_task
    return producer._closed or sender is None or sender.done()


def fail_all(producer: AIOKafkaProducer, error: KafkaError) -> None:
    """Fail what the producer holds, and have it send nothing more; its own stop() would wait for the broker."""
    accumulator = producer._message_accumulator
    accumulator.fail_all(error)
    for batch in chain(accumulator._pending_batches, *accumulator._batches.values()):
        with contextlib.suppress(asyncio.InvalidStateError):
            batch._drain_waiter.exception()  # nobody else looks at it, and asyncio complains
    producer._sender.sender_task.cancel()


async def close(producer: AIOKafkaProducer, timeout_s: float) -> None:
    """Close it, after it has sent what it holds where that takes no longer than `timeout_s`.

    aiokafka's own stop() gives up halfway when it takes too long or its sender was cancelled, and leaves connections.
    """
    stop = asyncio.create_task(producer.stop())
    await asyncio.wait({stop}, timeout=timeout_s)
    sender = producer._sender.sender_task
    unfinished = {task for task in (stop, sender) if task}
    for task in unfinished:
        task.cancel()
    await producer.client.close()  # ends what waits for an answer
    await asyncio.wait(unfinished)
    await producer.client.close()  # what still ran may have connected again
    _end_waits_for_metadata(producer)
    if not stop.cancelled() and (error := stop.exception()):
        log.debug("kafka.producer_not_closed", error=type(error).__name__)


def _end_waits_for_metadata(producer: AIOKafkaProducer) -> None:
    """Fail who waits for a topic's partitions, and who will: a closed client never learns any, and would not say so."""
    client = producer.client
    waited_for = client._md_update_fut
    if waited_for is None or waited_for.done():
        waited_for = client._md_update_fut = asyncio.get_running_loop().create_future()
    waited_for.set_exception(KafkaConnectionError("the producer was closed"))
    waited_for.exception()  # where nobody waits, asyncio would complain
