"""The settings of `metaqore up`: which ports the parts take, and how patient their supervisor is."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from metaqore_mesh.durability import Durability
from metaqore_mesh.settings import KafkaSettings, MeshSettings, SettingsGroup

Port = Annotated[int, Field(ge=1, le=65535)]


class _Place(BaseModel):
    """Where a service listens. The rest of its group is the service's own affair."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = "127.0.0.1"


class GatewayPlace(_Place):
    """The gateway's ports, and what its requests wait for."""

    rest_port: Port = 8001
    grpc_port: Port = 8002
    metrics_port: Port = 8003
    #: Looked at before anything starts, for it does not hold on every broker.
    durability: Durability = "spool"


class InferencePlace(_Place):
    """Inference's ports."""

    grpc_port: Port = 8011
    metrics_port: Port = 8013


class AuditorPlace(_Place):
    """The auditor's ports."""

    grpc_port: Port = 8021
    metrics_port: Port = 8023


class BrokerPlace(SettingsGroup):
    """The embedded broker's port."""

    port: Port = 9092


class PostgresPlace(SettingsGroup):
    """The embedded PostgreSQL's TCP port on 127.0.0.1; None leaves only its Unix socket."""

    port: Port | None = None


class Backoff(SettingsGroup):
    """How long a part that died waits for its restart, in seconds: doubled each time, reset by a healthy while."""

    first_s: float = Field(default=0.2, gt=0)
    most_s: float = Field(default=10.0, gt=0)
    healthy_after_s: float = Field(default=10.0, gt=0)

    def delay_s(self, deaths: int) -> float:
        """The wait after the `deaths`-th death in a row, from 1 on."""
        return min(self.first_s * 2.0 ** min(deaths - 1, sys.float_info.max_exp - 1), self.most_s)


class UpSettings(MeshSettings):
    """What `metaqore up` reads. It gives each part its own variables; others' groups do not reach it.

    Without METAQORE_KAFKA__BOOTSTRAP_SERVERS the embedded broker is started, without METAQORE_DATABASE__URL the
    embedded PostgreSQL.
    """

    kafka: KafkaSettings = KafkaSettings(bootstrap_servers="")
    gateway: GatewayPlace = GatewayPlace()
    inference: InferencePlace = InferencePlace()
    auditor: AuditorPlace = AuditorPlace()
    broker: BrokerPlace = BrokerPlace()
    postgres: PostgresPlace = PostgresPlace()
    restart: Backoff = Backoff()
    #: Take free ports instead of the ones above.
    free_ports: bool = False
    start_timeout_s: float = Field(default=90.0, gt=0)
    #: How long a part may drain before it is killed.
    stop_timeout_s: float = Field(default=90.0, gt=0)
