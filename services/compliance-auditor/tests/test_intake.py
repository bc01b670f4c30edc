"""The intake hangs up with its tenure, whatever ends it and however often."""

import asyncio

import pytest

from metaqore_compliance_auditor.entrypoints.kafka import AuditIntake
from metaqore_compliance_auditor.service.ports import StoreUnavailableError
from metaqore_mesh.kafka import KafkaRecord
from metaqore_mesh.settings import KafkaSettings


class Reader:
    """Hands over one record, and takes a while to hang up."""

    def __init__(self, record, handler):
        self._record = record
        self._handler = handler
        self.handling = None
        self.stopped = False

    async def start(self):
        self.handling = asyncio.create_task(self._handler([self._record]))

    async def stop(self):
        await asyncio.gather(self.handling, return_exceptions=True)
        await asyncio.sleep(0.05)
        self.stopped = True


class LostSealer:
    accepted = 0

    async def offer(self, *_):
        raise StoreUnavailableError("The session has ended.")


@pytest.mark.parametrize("turns", range(6))
async def test_a_reader_is_stopped_though_its_tenure_ends_twice(monkeypatch, author, turns):
    record = KafkaRecord("metaqore.audit.records.v1", 0, 0, b"", author.tasks(1), (), 0)
    readers = []

    def made(_, *, handler, **__):
        readers.append(Reader(record, handler))
        return readers[-1]

    monkeypatch.setattr("metaqore_compliance_auditor.entrypoints.kafka.TopicReader", made)
    intake = asyncio.create_task(AuditIntake(KafkaSettings(embedded=True), None, None, None)(LostSealer()))
    while not (readers and readers[0].handling and readers[0].handling.done()):
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    intake.cancel()  # the session's end is noticed elsewhere as well
    await asyncio.wait([intake])
    assert readers[0].stopped
