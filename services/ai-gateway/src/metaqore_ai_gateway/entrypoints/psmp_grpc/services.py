"""What the gRPC door serves of `metaqore.psmp.v1`."""

from __future__ import annotations

from functools import partial

from metaqore.psmp.v1 import (
    artifact_pb2_grpc,
    checkpoint_pb2_grpc,
    conflict_pb2_grpc,
    history_pb2_grpc,
    project_pb2_grpc,
    watch_pb2_grpc,
    work_pb2_grpc,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifacts import ArtifactServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.checkpoints import CheckpointServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflicts import ConflictServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.history import HistoryServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.projects import ProjectServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.watch import WatchServicer
from metaqore_ai_gateway.entrypoints.psmp_grpc.work import WorkServicer
from metaqore_ai_gateway.service.psmp.governed import CommandGate
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_ai_gateway.service.psmp.uploads import Uploads
from metaqore_mesh.grpc.server import Register


def psmp_services(
    gate: CommandGate, readings: Readings, uploads: Uploads, watching: WatchServicer
) -> dict[str, Register]:
    """Every service of `metaqore.psmp.v1`, by its full name."""
    commands = Commands(gate)
    artifacts = ArtifactServicer(commands=commands, readings=readings, uploads=uploads)
    projects, work = ProjectServicer(commands, readings), WorkServicer(commands, readings)
    conflicts, checkpoints = ConflictServicer(commands, readings), CheckpointServicer(commands, readings)
    history = HistoryServicer(readings)
    return {
        "metaqore.psmp.v1.ProjectService": partial(project_pb2_grpc.add_ProjectServiceServicer_to_server, projects),
        "metaqore.psmp.v1.WorkService": partial(work_pb2_grpc.add_WorkServiceServicer_to_server, work),
        "metaqore.psmp.v1.ArtifactService": partial(artifact_pb2_grpc.add_ArtifactServiceServicer_to_server, artifacts),
        "metaqore.psmp.v1.ConflictService": partial(conflict_pb2_grpc.add_ConflictServiceServicer_to_server, conflicts),
        "metaqore.psmp.v1.CheckpointService": partial(
            checkpoint_pb2_grpc.add_CheckpointServiceServicer_to_server, checkpoints
        ),
        "metaqore.psmp.v1.HistoryService": partial(history_pb2_grpc.add_HistoryServiceServicer_to_server, history),
        "metaqore.psmp.v1.WatchService": partial(watch_pb2_grpc.add_WatchServiceServicer_to_server, watching),
    }
