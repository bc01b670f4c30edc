"""The parts of the mesh: PostgreSQL, broker, compliance-auditor, inference, ai-gateway."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from metaqore_governance_core.contracts.topics import TOPICS
from metaqore_mesh.embedded.broker import EmbeddedBroker
from metaqore_mesh.embedded.databases import AUDITOR, GATEWAY, ensure_databases, make_databases, with_database
from metaqore_mesh.embedded.part import Part
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.embedded.tied import tied
from metaqore_mesh.kafka.topics import Topics, TopicSpec
from metaqore_mesh.run_directory import RunDirectory, make_mesh_token, write_once
from metaqore_mesh.settings import KafkaSettings

#: The settings group of each service: only it is given the variables of that group.
_GROUPS = {"compliance-auditor": "AUDITOR", "inference": "INFERENCE", "ai-gateway": "GATEWAY"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started for `settings`, with which variables, and in which order."""

    settings: UpSettings
    run: RunDirectory

    @property
    def _postgres(self) -> EmbeddedPostgres | None:
        return None if self.settings.database.url else EmbeddedPostgres(self.run.postgres, self.settings.postgres.port)

    @property
    def _broker(self) -> EmbeddedBroker | None:
        return None if self.settings.kafka.bootstrap_servers else EmbeddedBroker(self.settings.broker.port)

    @property
    def _bootstrap_servers(self) -> str:
        return self._broker.bootstrap_servers if self._broker else self.settings.kafka.bootstrap_servers

    async def before(self) -> None:
        """What all parts rely on: the mesh's id and token; topics and databases where broker and server are given."""
        self.run.make_mesh_id()
        make_mesh_token(self.settings.mesh_token_file)
        if not self._postgres:
            await ensure_databases(self.settings.database.url, (GATEWAY, AUDITOR))
        if not self._broker:
            await self._ensure_topics()

    def endpoints(self) -> dict[str, str]:
        """Where the mesh answers from this machine."""
        gateway = self.settings.gateway
        host = _reachable(gateway.host)
        return {
            "rest": f"http://{host}:{gateway.rest_port}",
            "grpc": f"{host}:{gateway.grpc_port}",
            "kafka": self._bootstrap_servers,
            "metrics": f"{_reachable(self.settings.telemetry.metrics_host)}:{gateway.metrics_port}",
        }

    def parts(self) -> list[Part]:
        """All parts in the order of their start; each is stopped before those it uses."""
        settings = self.settings
        inference = f"{_reachable(settings.inference.host)}:{settings.inference.grpc_port}"
        auditor = f"{_reachable(settings.auditor.host)}:{settings.auditor.grpc_port}"
        return [
            *([self._postgres_part(self._postgres)] if self._postgres else []),
            *([self._broker_part(self._broker)] if self._broker else []),
            self._service(
                "compliance-auditor",
                database=AUDITOR,
                host=settings.auditor.host,
                ports={"METAQORE_AUDITOR__GRPC_PORT": settings.auditor.grpc_port},
                metrics_port=settings.auditor.metrics_port,
            ),
            self._service(
                "inference",
                host=settings.inference.host,
                ports={"METAQORE_INFERENCE__GRPC_PORT": settings.inference.grpc_port},
                metrics_port=settings.inference.metrics_port,
            ),
            self._service(
                "ai-gateway",
                database=GATEWAY,
                host=settings.gateway.host,
                ports={
                    "METAQORE_GATEWAY__REST_PORT": settings.gateway.rest_port,
                    "METAQORE_GATEWAY__GRPC_PORT": settings.gateway.grpc_port,
                },
                metrics_port=settings.gateway.metrics_port,
                more={"METAQORE_INFERENCE__ENDPOINT": inference, "METAQORE_AUDITOR__ENDPOINT": auditor},
            ),
        ]

    async def _ensure_topics(self) -> None:
        kafka = KafkaSettings(bootstrap_servers=self._bootstrap_servers)
        await Topics(kafka, client_id="metaqore-up").ensure([TopicSpec(topic) for topic in TOPICS])

    def _postgres_part(self, server: EmbeddedPostgres) -> Part:
        async def command() -> list[str]:
            await server.prepare()
            return server.command()

        password = partial(write_once, self.run.keys / "database-password", secrets.token_urlsafe(32).encode())
        return Part(
            name="postgres",
            command=command,
            environment=_bare(),
            probe=f"unix://{server.socket_directory / server.socket_name}",
            settle=lambda: make_databases(
                server.url("postgres", role=ADMIN),
                (GATEWAY, AUDITOR),
                password=password().decode() if server.port else None,
            ),
            ports={"METAQORE_POSTGRES__PORT": server.port} if server.port else {},
            stop_signal=signal.SIGINT,  # a fast shutdown; SIGTERM waits for clients to leave
            stop_timeout_s=self.settings.stop_timeout_s,
        )

    def _broker_part(self, broker: EmbeddedBroker) -> Part:
        async def command() -> list[str]:
            return broker.command()

        return Part(
            name="broker",
            command=command,
            environment=_bare(),
            probe=f"tcp://{broker.bootstrap_servers}",
            settle=self._ensure_topics,
            ports={"METAQORE_BROKER__PORT": broker.port},
            stop_timeout_s=self.settings.stop_timeout_s,
        )

    def _service(
        self,
        name: str,
        *,
        host: str,
        ports: Mapping[str, int],
        metrics_port: int,
        database: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Part:
        group = f"METAQORE_{_GROUPS[name]}__"
        environment = {
            **self._shared_environment(name),
            f"{group}HOST": host,
            **{variable: str(port) for variable, port in ports.items()},
            "METAQORE_TELEMETRY__METRICS_PORT": str(metrics_port),
            **({"METAQORE_DATABASE__URL": self._database_url(database)} if database else {}),
            **(more or {}),
        }
        module = f"metaqore_{name.replace('-', '_')}"

        async def command() -> list[str]:
            return tied([sys.executable, "-m", module], death_signal=signal.SIGKILL)

        metrics_host = self.settings.telemetry.metrics_host
        return Part(
            name=name,
            command=command,
            environment=environment,
            probe=f"http://{_reachable(metrics_host)}:{metrics_port}/healthz/ready",
            host=host,
            ports={**ports, f"{group}METRICS_PORT": metrics_port},
            stop_timeout_s=self.settings.stop_timeout_s,
        )

    def _shared_environment(self, name: str) -> dict[str, str]:
        settings = self.settings
        foreign = tuple(f"METAQORE_{group}__" for group in _GROUPS.values() if group != _GROUPS[name])
        own_metrics = f"METAQORE_{_GROUPS[name]}__METRICS_PORT"
        inherited = {
            variable: value
            for variable, value in os.environ.items()
            if not variable.upper().startswith(foreign) and variable.upper() != own_metrics
        }
        inherited.pop("METAQORE_DATABASE__URL", None)
        given = {
            "METAQORE_RUN_DIR": str(settings.run_dir),
            "METAQORE_MESH_TOKEN_FILE": str(settings.mesh_token_file),
            "METAQORE_KAFKA__BOOTSTRAP_SERVERS": self._bootstrap_servers,
            "METAQORE_KAFKA__EMBEDDED": "true" if self._broker else "false",
            "METAQORE_TELEMETRY__METRICS_HOST": settings.telemetry.metrics_host,
            "PYTHONUNBUFFERED": "1",
        }
        if settings.config:
            given["METAQORE_CONFIG"] = str(settings.config)
        if settings.secure_gateway_policy:
            given["METAQORE_SECURE_GATEWAY_POLICY"] = settings.secure_gateway_policy
        return inherited | given

    def _database_url(self, database: str) -> str:
        if self._postgres:
            return self._postgres.url(database)
        return with_database(self.settings.database.url, database)


def _bare() -> dict[str, str]:
    """What a foreign program needs; the rest of our environment is none of its business."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "NO_COLOR": "1"}


def _reachable(host: str) -> str:
    """Where one connects to a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
