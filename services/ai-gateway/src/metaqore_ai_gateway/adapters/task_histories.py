"""What is recorded of a task: in the spool, or in the auditor's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from metaqore_ai_gateway.adapters.spool_search import SearchedSpool, SpoolSearch
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.service.claim_ports import TaskHistory
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.group import parse_group
from metaqore_governance_core.merkle import MerkleTree, leaf_hash
from metaqore_governance_core.receipts import Receipt, token
from metaqore_governance_core.records import CommandRecord, DecisionRecord, OutcomeRecord
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import OpenDecision, WriterState
from metaqore_mesh.spool.errors import SpoolFailed
from metaqore_mesh.spool.record_codec import decode_record, records_in


class HistorySpool(SearchedSpool, Protocol):
    """What histories need of the spool."""

    @property
    def state(self) -> WriterState:
        """The fold of all records appended."""
        ...

    def liveness(self) -> str | None:
        """Why only a restart can help; None while none is needed."""
        ...


class SealedRecords(Protocol):
    """The auditor, as far as histories need it."""

    async def task_records(self, organization: str, task: str) -> list[bytes]:
        """The sealed records of a task, in canonical bytes. Raises `MetaQoreError` where it does not answer."""
        ...


class RecordedHistories:
    """The port `Histories` on the spool and the auditor."""

    def __init__(self, spool: HistorySpool, auditor: SealedRecords) -> None:
        self._spool = spool
        self._search = SpoolSearch(spool)
        self._auditor = auditor

    @property
    def open(self) -> Mapping[str, OpenDecision]:
        """The decisions without an outcome, by task.

        Raises `SpoolFailed` once the disk has failed: what it then holds only the next start can tell.
        """
        failure = self._spool.liveness()
        if failure is not None:
            raise SpoolFailed(failure)
        return self._spool.state.open

    async def recorded(self, organization: str, task: str) -> TaskHistory:
        """What the spool still holds of a task, else what the auditor has sealed."""
        records = [
            record for value in await self._search.groups_of(task) for record in records_in(value)
        ] or await self._auditor.task_records(organization, task)
        history = _history(task, records)
        return TaskHistory(history.decision, history.outcome, await self.receipt_token(task))

    async def receipt_token(self, task: str) -> str:
        """The receipt of a task's decision, as a token; empty where the spool no longer holds it."""
        for value in await self._search.groups_of(task):
            receipt = _receipt(value, task)
            if receipt is not None:
                return token(receipt)
        return ""


def _history(task: str, records: Sequence[bytes]) -> TaskHistory:
    decision: OpenDecision | None = None
    outcome: Outcome | None = None
    for raw in records:
        record = decode_record(raw)
        if isinstance(record, CommandRecord) or record.task != task:
            continue
        if isinstance(record, DecisionRecord):
            decision = _decision(record, leaf_hash(raw).hex())
        else:
            outcome = _outcome(record)
    return TaskHistory(decision, outcome)


def _decision(record: DecisionRecord, leaf: str) -> OpenDecision:
    return OpenDecision(
        door=record.door,
        leaf_hash=leaf,
        model=record.model,
        organization=record.organization,
        policy_version=record.policy_version,
        reasons=record.reasons,
        receipt=record.receipt,
        time_us=record.time_us,
        verdict=record.verdict,
    )


def _outcome(record: OutcomeRecord) -> Outcome:
    error = None
    if record.state != TaskState.DONE or record.error is not None:
        message = "The gateway was restarted when the task had ended; its record tells no more than this code."
        error = MetaQoreError(record.error or record.state, message, kind=ErrorKind.INTERNAL)
    return Outcome(
        task=record.task,
        organization=record.organization,
        receipt=record.receipt,
        decision=record.decision,
        state=TaskState(record.state),
        attempts=record.attempts,
        duration_us=record.duration_us,
        usage=Usage(record.finish_reason, record.prompt_tokens, record.completion_tokens),
        model=record.model,
        provider=record.provider,
        locality=None if record.locality is None else Locality(record.locality),
        answer=record.answer,
        error=error,
    )


def _receipt(value: bytes, task: str) -> Receipt | None:
    """The receipt for the decision of `task` in a group, made again from the group's own signature."""
    group = parse_group(value)
    for index, raw in enumerate(group.records):
        record = decode_record(raw)
        if isinstance(record, DecisionRecord) and record.task == task:
            leaves = [leaf_hash(other) for other in group.records]
            return Receipt(
                head=group.head,
                id=record.receipt,
                leaf_hash=leaves[index].hex(),
                organization=record.organization,
                path=tuple(node.hex() for node in MerkleTree(leaves).inclusion_path(index)),
                sequence=record.sequence,
                signature=group.signature.hex(),
                task=task,
                writer=record.writer,
            )
    return None
