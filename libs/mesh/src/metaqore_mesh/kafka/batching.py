"""Many records of one topic as few batches: by partition, in order, none larger than the producer takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from metaqore_governance_core.value_object import value_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metaqore_mesh.kafka.records import Outgoing


@value_object
class Batch:
    """A batch for one partition. `indexes` say which of the records are in it."""

    partition: int
    builder: Any
    indexes: list[int]


def batches_of(
    records: Sequence[Outgoing],
    *,
    new_builder: Callable[[], Any],
    partition: Callable[[bytes | None], int],
    largest_bytes: int,
) -> list[Batch]:
    """`records` as batches, to be sent one after the other.

    A record that would fill more than one has one of its own; one with more than `largest_bytes` is in none.

    `new_builder` is `AIOKafkaProducer.create_batch`. Every batch is closed: what others send is not added to it.
    """
    now_ms = time.time_ns() // 1_000_000
    open_batches: dict[int, Batch] = {}
    batches: list[Batch] = []
    for index, (key, value, named) in enumerate(records):
        if len(key or b"") + len(value or b"") > largest_bytes:
            continue
        place = partition(key)
        batch = open_batches.get(place)
        # A record needs a key or a value, and a null value without a key means nothing.
        body = b"" if value is None and key is None else value
        headers = list(named)
        if batch is None or batch.builder.append(timestamp=now_ms, key=key, value=body, headers=headers) is None:
            batch = open_batches[place] = Batch(place, new_builder(), [])
            batches.append(batch)
            batch.builder.append(timestamp=now_ms, key=key, value=body, headers=headers)  # the first always fits
        batch.indexes.append(index)
    for batch in batches:
        batch.builder.close()
    return batches
