"""The settings every service shares, read once from METAQORE_* variables into frozen objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from metaqore_governance_core.errors import MetaQoreError

_PREFIX: Final = "METAQORE_"
_NESTING: Final = "__"


class SettingsGroup(BaseModel):
    """A nested group of settings: `METAQORE_<GROUP>__<FIELD>`. Frozen; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(SettingsGroup):
    """The broker: one's own, or the embedded one (`embedded`), which keeps nothing over a restart."""

    bootstrap_servers: str = "127.0.0.1:9092"
    embedded: bool = False
    #: Always false on the embedded broker, which has no idempotent producer.
    idempotent: bool = Field(default=True, validate_default=True)

    #: TLS to the broker, checked against `ca_file`, or against the machine's own certificates without one.
    tls: bool = False
    ca_file: Path | None = None
    #: A name and a password, where the broker asks for them. The password is kept out of `repr`.
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = Field(default=None, repr=False)

    @field_validator("idempotent")
    @classmethod
    def _where_the_broker_can(cls, wanted: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        return wanted and not info.data.get("embedded", False)


class DatabaseSettings(SettingsGroup):
    """PostgreSQL. `url` may hold a password, so it is kept out of `repr`."""

    url: str = Field(default="", repr=False)
    pool_size: int = Field(default=10, ge=1, le=1000)


class TelemetrySettings(SettingsGroup):
    """Logs, traces, and the port that serves `/metrics` and the probes. `metrics_port` 0 takes a free port."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    #: Where spans go (OTLP over gRPC). None: `OTEL_EXPORTER_OTLP_ENDPOINT`, and without that nowhere.
    otlp_endpoint: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)


class MeshSettings(BaseSettings):
    """What each service needs to find its files, its peers' token, the broker and its database.

    A service subclasses it with one nested group of its own. A group's default may be overridden as a whole
    (`telemetry: TelemetrySettings = TelemetrySettings(metrics_port=8003)`): a variable for one of its fields then
    changes that field alone.

    Raises `settings_invalid`, whose message has a line for each variable that is wrong.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTING,
        env_ignore_empty=True,  # `METAQORE_RUN_DIR=` would be the working directory
        nested_model_default_partial_update=True,
        frozen=True,
        extra="ignore",
    )

    run_dir: Path = Field(default_factory=lambda: Path.home() / ".local" / "state" / "metaqore")
    #: The configuration file (metaqore.yaml). None: the built-in default.
    config: Path | None = None
    #: The bearer token that services show each other, 0600.
    mesh_token_file: Path = Field(default_factory=lambda known: known["run_dir"] / "keys" / "mesh-token")
    #: The residency policy's name; it overrides the one in the configuration file.
    secure_gateway_policy: str | None = None
    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    def __init__(self, **given: Any) -> None:
        """Read the variables; what is `given` goes before them."""
        try:
            super().__init__(**given)
        except ValidationError as error:
            lines = sorted(_line(each) for each in error.errors(include_input=False, include_url=False))
            raise MetaQoreError("settings_invalid", "\n".join(lines)) from None  # its own text shows what was given

    @field_validator("run_dir", "config", "mesh_token_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """`~` and relative paths are resolved once, here, so that a later chdir changes nothing."""
        return path and path.expanduser().absolute()


def _line(error: Mapping[str, Any]) -> str:
    """What is wrong with which variable, without its value, which may be a secret."""
    return f"{_PREFIX}{_NESTING.join(map(str, error['loc'])).upper()}: {error['msg']}"
