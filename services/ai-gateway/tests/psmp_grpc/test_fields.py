import grpc
import pytest

from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import checkpoint_pb2 as k
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as c
from metaqore.psmp.v1 import history_pb2 as h
from metaqore.psmp.v1 import project_pb2 as p
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_mesh.errors import error_of_call

TWICE = [common.Label(name="a", value="1"), common.Label(name="a", value="2")]


def created(**rest):
    return a.CreateArtifactRequest(version=a.NewVersion(**{"name": "x", "content_bytes": b"", **rest}))


def declared(**rest):
    return created(declarations=a.Declarations(**rest))


BAD = [
    ("ProjectService.CreateProject", p.CreateProjectRequest(), "name"),
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="x" * 257), "name"),
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="a\nb"), "name"),
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="x", description="\0"), "description"),
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="x", mode=17), "mode"),
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="x", labels=TWICE), "labels"),
    (
        "ProjectService.CreateProject",
        p.CreateProjectRequest(name="x", policy=p.ProjectPolicy(approvals=[p.ApprovalRule(role="r")])),
        "approvals.count",
    ),
    (
        "ProjectService.CreateProject",
        p.CreateProjectRequest(name="x", policy=p.ProjectPolicy(proposal_ttl_us=0)),
        "policy.proposal_ttl_us",
    ),
    ("ProjectService.GetProject", p.GetProjectRequest(), "id"),
    ("ProjectService.GetProject", p.GetProjectRequest(id="x" * 257), "id"),
    ("ProjectService.GetProject", p.GetProjectRequest(id="x", at=common.Point(version=2**63)), "at.version"),
    ("ProjectService.GetProject", p.GetProjectRequest(id="x", at=common.Point(time={"nanos": -1})), "at.time"),
    ("ProjectService.GetProject", p.GetProjectRequest(id="x", at=common.Point(checkpoint_id="")), "at.checkpoint_id"),
    ("ProjectService.ListProjects", p.ListProjectsRequest(page_size=1001), "page_size"),
    ("ProjectService.ListProjects", p.ListProjectsRequest(page_token="x" * 8193), "page_token"),
    ("ProjectService.ListProjects", p.ListProjectsRequest(state=9), "state"),
    ("ProjectService.ListProjects", p.ListProjectsRequest(labels=[common.Label()]), "labels.name"),
    ("ProjectService.UpdateProject", p.UpdateProjectRequest(id="x"), "description"),
    ("ProjectService.UpdateProject", p.UpdateProjectRequest(description="x"), "id"),
    ("ProjectService.FreezeProject", p.FreezeProjectRequest(id="x"), "why"),
    ("ProjectService.FreezeProject", p.FreezeProjectRequest(why="x"), "id"),
    (
        "ProjectService.FreezeProject",
        p.FreezeProjectRequest(id="x", why="x", expected_version=2**60),
        "expected_version",
    ),
    ("ProjectService.SetProjectMode", p.SetProjectModeRequest(id="x", why="x"), "mode"),
    ("ProjectService.SetProjectPolicy", p.SetProjectPolicyRequest(id="x", why="x"), "policy"),
    ("WorkService.OpenTask", w.OpenTaskRequest(), "title"),
    ("WorkService.OpenTask", w.OpenTaskRequest(title="x", project_id="x" * 257), "project_id"),
    ("WorkService.ClaimTask", w.ClaimTaskRequest(id="x"), "lease_us"),
    ("WorkService.ClaimTask", w.ClaimTaskRequest(lease_us=1), "id"),
    ("WorkService.FailTask", w.FailTaskRequest(id="x"), "error"),
    ("WorkService.ListTasks", w.ListTasksRequest(state=99), "state"),
    ("ArtifactService.CreateArtifact", created(name=""), "version.name"),
    ("ArtifactService.CreateArtifact", created(content_digest=""), "version.content_digest"),
    ("ArtifactService.CreateArtifact", created(content_bytes=b"x" * (1 << 20) + b"x"), "version.content_bytes"),
    ("ArtifactService.CreateArtifact", a.CreateArtifactRequest(version=a.NewVersion(name="x")), "version.content"),
    ("ArtifactService.CreateArtifact", created(media_type="x" * 257), "version.media_type"),
    ("ArtifactService.CreateArtifact", declared(paths=["ok", ""]), "declarations.paths[1]"),
    ("ArtifactService.CreateArtifact", declared(sensitivity=77), "declarations.sensitivity"),
    (
        "ArtifactService.CreateArtifact",
        declared(dependencies=[a.Dependency(ecosystem="cobol", name="x")]),
        "dependencies.ecosystem",
    ),
    ("ArtifactService.CreateArtifact", declared(renames=[a.Rename(from_path="x")]), "renames.to_path"),
    ("ArtifactService.CreateArtifact", declared(renames=[a.Rename()] * 10_001), "declarations"),
    (
        "ArtifactService.CreateArtifact",
        created(provenance=a.Provenance(task_id="x" * 257)),
        "provenance.task_id",
    ),
    ("ArtifactService.ProposeArtifacts", a.ProposeArtifactsRequest(), "proposals"),
    ("ArtifactService.ProposeArtifacts", a.ProposeArtifactsRequest(proposals=[a.Proposal()]), "proposals.version"),
    (
        "ArtifactService.ProposeArtifacts",
        a.ProposeArtifactsRequest(
            proposals=[
                a.Proposal(created=a.NewVersion(name="x", content_bytes=b"")),
                a.Proposal(created=a.NewVersion(content_bytes=b"")),
            ]
        ),
        "proposals[1].created.name",
    ),
    (
        "ArtifactService.ProposeArtifacts",
        a.ProposeArtifactsRequest(proposals=[a.Proposal(draft=a.VersionRef(artifact_id="x"))]),
        "proposals[0].draft.version",
    ),
    (
        "ArtifactService.ProposeArtifacts",
        a.ProposeArtifactsRequest(proposals=[a.Proposal(draft=a.VersionRef(artifact_id="x", version=1))] * 1001),
        "proposals",
    ),
    ("ArtifactService.ProposeArtifact", a.ProposeArtifactRequest(version=1), "draft.artifact_id"),
    ("ArtifactService.AmendArtifact", a.AmendArtifactRequest(artifact_id="x", version=1), "declarations"),
    ("ArtifactService.UpdateArtifact", a.UpdateArtifactRequest(artifact_id="x"), "description"),
    ("ArtifactService.RejectArtifact", a.RejectArtifactRequest(version=1, why="x"), "artifact_id"),
    ("ArtifactService.RejectArtifact", a.RejectArtifactRequest(artifact_id="x", why="x"), "version"),
    ("ArtifactService.RejectArtifact", a.RejectArtifactRequest(artifact_id="x", version=1, why="x" * 4097), "why"),
    ("ArtifactService.ApproveArtifact", a.ApproveArtifactRequest(artifact_id="x", version=1), "role"),
    ("ArtifactService.ListArtifacts", a.ListArtifactsRequest(phase=44), "phase"),
    ("ArtifactService.ListArtifacts", a.ListArtifactsRequest(name_prefix="x" * 1025), "name_prefix"),
    ("ArtifactService.GetArtifact", a.GetArtifactRequest(), "artifact_id"),
    ("ArtifactService.GetProvenance", a.GetProvenanceRequest(artifact_id="x", depth=33), "depth"),
    ("ArtifactService.GetProvenance", a.GetProvenanceRequest(artifact_id="x", direction=7), "direction"),
    ("ArtifactService.DownloadContent", a.DownloadContentRequest(), "artifact_id"),
    (
        "ConflictService.ResolveConflict",
        c.ResolveConflictRequest(id="x", artifact_id="x", version=1, why="x"),
        "choice",
    ),
    (
        "ConflictService.ResolveConflict",
        c.ResolveConflictRequest(artifact_id="x", version=1, why="x", choice=c.CHOICE_MERGE),
        "id",
    ),
    ("WorkService.UpdateTask", w.UpdateTaskRequest(id="t"), "title"),
    ("WorkService.UpdateTask", w.UpdateTaskRequest(id="t", title=""), "title"),
    ("WorkService.UpdateTask", w.UpdateTaskRequest(id="t", labels=common.Labels(labels=TWICE)), "labels"),
    ("ConflictService.ListConflicts", c.ListConflictsRequest(types=["x"] * 101), "types"),
    ("ConflictService.ListConflicts", c.ListConflictsRequest(at=common.Point(version=1)), "project_id"),
    ("ConflictService.GetBlockingReport", c.GetBlockingReportRequest(cause=90), "cause"),
    ("CheckpointService.TakeCheckpoint", k.TakeCheckpointRequest(), "name"),
    ("CheckpointService.RestoreCheckpoint", k.RestoreCheckpointRequest(why="x"), "id"),
    ("HistoryService.Diff", h.DiffRequest(), "from"),
    ("HistoryService.ListEvents", h.ListEventsRequest(aggregate=8), "aggregate"),
    ("HistoryService.ListEvents", h.ListEventsRequest(after_version=2**60), "after_version"),
]


@pytest.mark.parametrize(("method", "request_", "field"), BAD, ids=[f"{one[0]} {one[2]}" for one in BAD])
async def test_what_is_wrong_is_named_and_not_repeated(door, method, request_, field):
    ended = await door.refused(method, request_)
    error = error_of_call(ended)
    assert ended.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.code, error.reasons) == ("invalid_request", (field,))
    assert field in error.message
    assert "xxx" not in error.message
    assert door.gate.given == []
