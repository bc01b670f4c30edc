"""One and the same command of PSMP through REST and gRPC, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import httpx

from metaqore.psmp.v1 import (
    artifact_pb2,
    artifact_pb2_grpc,
    checkpoint_pb2,
    checkpoint_pb2_grpc,
    conflict_pb2,
    conflict_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
)
from metaqore_mesh.errors import error_of_call

DEADLINE_S = 10.0
AGAIN_HTTP = frozenset({409, 429, 502, 503, 504})
AGAIN_GRPC = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    }
)


@dataclass(frozen=True)
class Order:
    """A command of somebody under its key. `fields` are those of the contract, `name` among them."""

    who: str
    key: str
    project: str
    fields: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Told:
    """What whoever gave a command was told: `done` or why not, and the ids of what it made or stands in."""

    code: str
    receipt_token: str
    version: int | None = None
    project: str = ""
    conflicts: tuple[str, ...] = ()


class UnansweredError(Exception):
    """Nobody knows whether it happened; it is to be given again under its key."""


class Door(Protocol):
    """Gives a command, and raises `UnansweredError` where there is no answer."""

    async def give(self, order: Order) -> Told: ...


class RestDoor:
    """`/api/v1`."""

    def __init__(self, url: str, secrets: Mapping[str, str]) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=DEADLINE_S, trust_env=False)
        self._secrets = secrets

    async def close(self) -> None:
        """Leave."""
        await self._http.aclose()

    async def give(self, order: Order) -> Told:
        """As a request of its own path."""
        path, body = _request(order)
        answer = await self._send("POST", path, order.who, json=body, headers={"idempotency-key": order.key})
        told, token = answer.json(), answer.headers.get("x-metaqore-receipt", "")
        if answer.is_success:
            return Told(
                "done",
                token,
                int(answer.headers["x-metaqore-project-version"]),
                told["id"] if order.fields["name"] == "project.create" else order.project,
                tuple(one["id"] for one in told.get("conflicts", ())),
            )
        if told.get("state") in {"denied", "refused"}:
            return Told(told["code"], token)
        if answer.status_code in AGAIN_HTTP:
            raise UnansweredError(told["code"])
        raise AssertionError(f"{order}: {answer.status_code} {answer.text}")

    async def upload(self, who: str, text: bytes) -> tuple[str, str]:
        """The digest of a body that is kept, and its receipt."""
        answer = await self._send("PUT", "/contents", who, content=text)
        if answer.status_code != httpx.codes.CREATED:
            raise UnansweredError(answer.text)
        return answer.json()["digest"], answer.headers["x-metaqore-receipt"]

    async def read(self, who: str, artifact: str, version: int) -> bytes | None:
        """The body of a version; None where it is erased."""
        answer = await self._send("GET", f"/artifacts/{artifact}/versions/{version}/content", who)
        if answer.is_success:
            return answer.content
        assert answer.json()["code"] == "body_erased", answer.text
        return None

    async def _send(self, method: str, path: str, who: str, **given: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._secrets[who]}", **given.pop("headers", {})}
        try:
            return await self._http.request(method, path, headers=headers, **given)
        except httpx.HTTPError as error:
            raise UnansweredError(repr(error)) from error


def _request(order: Order) -> tuple[str, dict[str, Any]]:
    fields = dict(order.fields)
    match fields.pop("name"):
        case "project.create":
            return "/projects", {"name": fields["project_name"]}
        case "artifact.propose":
            offered = [{"created": _created(one["created"])} for one in fields["proposals"]]
            return "/artifacts/batch", {**fields, "project_id": order.project, "proposals": offered}
        case "artifact.activate" | "artifact.erase_body" as name:
            step = {"artifact.activate": "activate", "artifact.erase_body": "erase"}[name]
            return f"/artifacts/{fields.pop('artifact')}/{step}", fields
        case "conflict.resolve":
            conflict, artifact = fields.pop("conflict"), fields.pop("artifact")
            return f"/governance/conflicts/{conflict}/resolve", {**fields, "artifact_id": artifact}
        case "checkpoint.take":
            return "/checkpoints", {"name": fields["checkpoint_name"], "project_id": order.project}
        case "checkpoint.restore":
            return f"/checkpoints/{fields['checkpoint']}/restore", {"why": fields["why"]}
        case name:
            raise AssertionError(name)


def _created(version: Mapping[str, Any]) -> dict[str, Any]:
    return {"name" if name == "artifact_name" else name: value for name, value in version.items()}


class GrpcDoor:
    """`metaqore.psmp.v1`."""

    def __init__(self, target: str, secrets: Mapping[str, str]) -> None:
        backoff = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.aio.insecure_channel(target, options=[*backoff, ("grpc.enable_http_proxy", 0)])
        self._secrets = secrets
        stubs = {
            "artifact": artifact_pb2_grpc.ArtifactServiceStub,
            "checkpoint": checkpoint_pb2_grpc.CheckpointServiceStub,
            "conflict": conflict_pb2_grpc.ConflictServiceStub,
            "project": project_pb2_grpc.ProjectServiceStub,
        }
        self._stubs = {name: stubs[name.partition(".")[0]](self._channel) for name in _REQUESTS}

    async def close(self) -> None:
        """Leave."""
        await self._channel.close(None)

    async def give(self, order: Order) -> Told:
        """As a call of its own method."""
        request = _REQUESTS[order.fields["name"]](order, order.fields)
        request.idempotency_key = order.key
        method = getattr(self._stubs[order.fields["name"]], type(request).__name__.removesuffix("Request"))
        call = method(request, metadata=(("authorization", f"Bearer {self._secrets[order.who]}"),), timeout=DEADLINE_S)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            if error.code() in AGAIN_GRPC:
                raise UnansweredError(error.details()) from error
            token = dict(error.initial_metadata() or ()).get("metaqore-receipt")
            if token is None:
                raise AssertionError(f"{order}: {error}") from error
            return Told(error_of_call(error).code, str(token))
        project = answer.project.id if order.fields["name"] == "project.create" else order.project
        conflicts = tuple(one.id for one in getattr(answer, "conflicts", ()))
        return Told("done", answer.committed.receipt_token, answer.committed.project_version, project, conflicts)


def _message(version: Mapping[str, Any]) -> artifact_pb2.NewVersion:
    content: dict[str, Any] = (
        {"content_digest": version["content_digest"]}
        if "content_digest" in version
        else {"content_bytes": version["content_text"].encode()}
    )
    declared = artifact_pb2.Declarations(paths=version["declarations"]["paths"])
    return artifact_pb2.NewVersion(name=version["artifact_name"], declarations=declared, **content)


_REQUESTS: Mapping[str, Callable[[Order, Mapping[str, Any]], Any]] = {
    "project.create": lambda _, fields: project_pb2.CreateProjectRequest(name=fields["project_name"]),
    "artifact.propose": lambda order, fields: artifact_pb2.ProposeArtifactsRequest(
        project_id=order.project,
        proposals=[artifact_pb2.Proposal(created=_message(one["created"])) for one in fields["proposals"]],
        refuse_blocked=fields.get("refuse_blocked", False),
    ),
    "artifact.activate": lambda _, fields: artifact_pb2.ActivateArtifactRequest(
        artifact_id=fields["artifact"], version=fields["version"]
    ),
    "artifact.erase_body": lambda _, fields: artifact_pb2.EraseArtifactBodyRequest(
        artifact_id=fields["artifact"], version=fields["version"], why=fields["why"]
    ),
    "conflict.resolve": lambda _, fields: conflict_pb2.ResolveConflictRequest(
        id=fields["conflict"],
        artifact_id=fields["artifact"],
        version=fields["version"],
        choice=conflict_pb2.Choice.Value(f"CHOICE_{fields['choice'].upper()}"),
        why=fields["why"],
    ),
    "checkpoint.take": lambda order, fields: checkpoint_pb2.TakeCheckpointRequest(
        project_id=order.project, name=fields["checkpoint_name"]
    ),
    "checkpoint.restore": lambda _, fields: checkpoint_pb2.RestoreCheckpointRequest(
        id=fields["checkpoint"], why=fields["why"]
    ),
}
