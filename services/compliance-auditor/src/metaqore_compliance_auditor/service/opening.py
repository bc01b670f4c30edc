"""Opening a log to append to it: its end must be what was signed."""

from __future__ import annotations

from typing import Final

from metaqore_compliance_auditor.domain.edge import LogEdge
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.sealing import OpenLog
from metaqore_compliance_auditor.domain.seals import Head
from metaqore_compliance_auditor.service.ports import LogReader, Notary
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import EMPTY_ROOT, ProofError
from metaqore_governance_core.tiles import tiles_of_edge

_EMPTY: Final = OpenLog(Head(0, EMPTY_ROOT), LogEdge())


class LogDamaged(Exception):  # noqa: N818 - it carries the fault that is meant
    """The end of a log does not match what was signed: appending to it would sign a lie."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


async def open_log(organization: str, reader: LogReader, notary: Notary) -> OpenLog:
    """The log as it stands, ready to be appended to. Raises `LogDamaged` where head, edge and checkpoint differ."""
    head = await reader.head(organization)
    checkpoint = await reader.newest_checkpoint(organization)
    if head is None and checkpoint is None:
        if await reader.entries(organization, 0, 1):
            raise _damaged("head_missing", "The log has entries and neither head nor checkpoint.", organization)
        return _EMPTY
    if head is None or checkpoint is None or checkpoint.head != head:
        raise _damaged("head_mismatch", "The log's head is not that of its newest checkpoint.", organization)
    try:
        signed = notary.open(organization, checkpoint.note)
    except MetaQoreError as error:
        raise _damaged("bad_checkpoint", f"The newest checkpoint does not verify: {error}", organization) from error
    if signed != head:
        raise _damaged("head_mismatch", "The log's head is not the one that was signed.", organization)
    edge = LogEdge(head.size, await reader.tiles(organization, tiles_of_edge(head.size)))
    try:
        found = edge.root()
    except (KeyError, ProofError) as error:
        raise _damaged("tile_missing", "A tile at the log's end is missing or too short.", organization) from error
    if found != head.root:
        raise _damaged("root_mismatch", "The tiles at the log's end do not lead to its signed root.", organization)
    return OpenLog(head, edge)


def _damaged(code: str, message: str, organization: str) -> LogDamaged:
    return LogDamaged(Fault(code, message, organization))
