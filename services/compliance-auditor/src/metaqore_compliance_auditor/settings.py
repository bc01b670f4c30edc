"""The auditor's settings: `METAQORE_AUDITOR__*` beside those that every service shares."""

from __future__ import annotations

from pydantic import Field

from metaqore_mesh.settings import MeshSettings, SettingsGroup, TelemetrySettings


class AuditorGroup(SettingsGroup):
    """What only the auditor needs."""

    host: str = "127.0.0.1"
    #: 0 takes a free port.
    grpc_port: int = Field(default=8021, ge=0, le=65535)
    #: A seal is made at most so long after the first record that waits for it.
    seal_delay_s: float = Field(default=0.1, gt=0, le=0.5)
    #: Or once so many wait.
    seal_records: int = Field(default=4096, ge=1, le=65_536)
    #: Beyond this no more are taken in until a seal is through.
    waiting_records: int = Field(default=16_384, ge=1, le=1_048_576)
    #: Public keys of writers that are not in the run directory: writer id to the key, base64 of its 32 raw bytes.
    writers: dict[str, str] = Field(default_factory=dict)
    #: Re-read every log in the background after a start.
    verify_at_start: bool = True
    #: The share of the time that this re-reading works; it rests in between.
    verify_share: float = Field(default=0.25, gt=0, le=1)


class AuditorSettings(MeshSettings):
    """All settings of the auditor."""

    auditor: AuditorGroup = AuditorGroup()
    telemetry: TelemetrySettings = TelemetrySettings(metrics_port=8023)
