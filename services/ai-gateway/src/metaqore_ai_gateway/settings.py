"""The gateway's settings: `METAQORE_GATEWAY__*` beside those that every service shares."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from metaqore_mesh.durability import Durability
from metaqore_mesh.objects import ObjectSettings
from metaqore_mesh.settings import MeshSettings, SettingsGroup, TelemetrySettings

_MEBIBYTE = 1 << 20


class GatewayGroup(SettingsGroup):
    """What only the gateway needs. A port of 0 takes a free one."""

    host: str = "127.0.0.1"
    rest_port: int = Field(default=8001, ge=0, le=65535)
    grpc_port: int = Field(default=8002, ge=0, le=65535)
    #: How many connections the REST port serves at once; one more is told so.
    rest_connections: int = Field(default=8192, ge=1)
    #: The largest body of a request.
    body_bytes: int = Field(default=8 * _MEBIBYTE, ge=1024)
    #: How long a task may take that names no deadline, and the longest that one may name.
    default_deadline_s: float = Field(default=300, gt=0)
    longest_deadline_s: float = Field(default=3600, gt=0)
    #: How many tasks run at once through all doors; more are turned away.
    running_tasks: int = Field(default=2000, ge=1)
    #: How many tasks from Kafka run at once; more wait on the broker.
    kafka_tasks: int = Field(default=256, ge=1)
    #: What a request waits for: its record in the spool on disk, or on the broker, too. The embedded broker, which
    #: keeps nothing, will not do for the second.
    durability: Durability = "spool"
    #: What the spool takes before it refuses.
    spool_bytes: int = Field(default=1024 * _MEBIBYTE, ge=4 * _MEBIBYTE)
    spool_segment_bytes: int = Field(default=16 * _MEBIBYTE, ge=_MEBIBYTE)
    #: While several tasks run, how long a record waits for others to share its sync and signature.
    spool_gather_s: float = Field(default=0.005, ge=0, le=0.1)
    #: Where webhooks may go beside the public internet, each as host:port; over plain HTTP, too.
    webhook_hosts: tuple[str, ...] = ()
    #: At the end: how long running tasks have to finish, and then records to be sealed. `metaqore up` kills what still
    #: runs after METAQORE_STOP_TIMEOUT_S.
    drain_s: float = Field(default=30, ge=0)
    seal_s: float = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _spool_holds_segments(self) -> Self:
        if self.spool_bytes < 4 * self.spool_segment_bytes:
            raise ValueError("spool_bytes is less than four times spool_segment_bytes; change one of them")
        return self


class PeerGroup(SettingsGroup):
    """Another service of the mesh."""

    endpoint: str


class GatewaySettings(MeshSettings):
    """All settings of the gateway."""

    gateway: GatewayGroup = GatewayGroup()
    inference: PeerGroup = PeerGroup(endpoint="127.0.0.1:8011")
    auditor: PeerGroup = PeerGroup(endpoint="127.0.0.1:8021")
    objects: ObjectSettings = ObjectSettings()
    telemetry: TelemetrySettings = TelemetrySettings(metrics_port=8003)
