"""The audit spool: where a record becomes durable before anything acts on it, and stays until it is sealed."""

from metaqore_mesh.spool.broker_spool import BrokerSpool
from metaqore_mesh.spool.errors import (
    RecordTooLarge,
    SpoolBehindLog,
    SpoolClosed,
    SpoolCorrupt,
    SpoolFailed,
    SpoolFull,
    SpoolLocked,
    SpoolTrimmed,
    SpoolUnreadable,
)
from metaqore_mesh.spool.file_spool import SEALED, FileSpool
from metaqore_mesh.spool.groups import Appended, StoredGroup
from metaqore_mesh.spool.limits import SpoolLimits
from metaqore_mesh.spool.port import Build, Spool
from metaqore_mesh.spool.shipper import GroupPublisher, Pace, SealedProgress, Shipper

__all__ = [
    "SEALED",
    "Appended",
    "BrokerSpool",
    "Build",
    "FileSpool",
    "GroupPublisher",
    "Pace",
    "RecordTooLarge",
    "SealedProgress",
    "Shipper",
    "Spool",
    "SpoolBehindLog",
    "SpoolClosed",
    "SpoolCorrupt",
    "SpoolFailed",
    "SpoolFull",
    "SpoolLimits",
    "SpoolLocked",
    "SpoolTrimmed",
    "SpoolUnreadable",
    "StoredGroup",
]
