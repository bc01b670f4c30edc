"""What a stub of the mesh knows when the command line asks: a project, an artifact, a conflict and a checkpoint."""

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import checkpoint_pb2 as checkpoints
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import project_pb2 as projects

GARDEN = "0190aaaa-0000-7000-8000-000000000001"
TASK = "0190bbbb-0000-7000-8000-000000000001"
MAIN = "artifact_" + "a" * 26
CLASH = "conflict_" + "1f" * 12
RELEASE = "checkpoint_" + "b" * 26
WHY = ("--why", "because")

CLASHING = conflicts.Conflict(
    id=CLASH,
    severity=conflicts.SEVERITY_BLOCKING,
    type="path_same",
    artifact_id=MAIN,
    version=2,
    parties=[
        conflicts.Party(artifact="main.py", artifact_id=MAIN, version=2, by="ann"),
        conflicts.Party(artifact="app.py", artifact_id="artifact_" + "c" * 26, version=5, by="bob"),
    ],
)
ARTIFACT = artifacts.Artifact(
    id=MAIN,
    project_id=GARDEN,
    name="main.py",
    active_version=1,
    latest=artifacts.ArtifactVersion(number=2, phase=artifacts.PHASE_PROPOSED, proposed_by="ann"),
    revision=4,
)

KNOWN = {
    "ListProjects": projects.ListProjectsResponse(projects=[projects.Project(id=GARDEN, name="garden")]),
    "GetProject": projects.GetProjectResponse(project=projects.Project(id=GARDEN, name="garden")),
    "ListArtifacts": artifacts.ListArtifactsResponse(artifacts=[ARTIFACT]),
    "ListConflicts": conflicts.ListConflictsResponse(conflicts=[CLASHING]),
    "GetConflict": conflicts.GetConflictResponse(conflict=CLASHING),
    "ListCheckpoints": checkpoints.ListCheckpointsResponse(
        checkpoints=[checkpoints.Checkpoint(id=RELEASE, name="release-1", version=41)]
    ),
}


def committed(response):
    """A response of this class, as to a command that was committed."""
    return response(committed=common.Committed(receipt_id="r-9", project_version=12))
