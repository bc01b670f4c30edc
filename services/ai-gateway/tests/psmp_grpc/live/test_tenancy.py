"""Every call of `metaqore.psmp.v1`, tried by another organization, which sees nothing and changes nothing."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
import pytest_asyncio

from metaqore.psmp import v1
from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import checkpoint_pb2 as k
from metaqore.psmp.v1 import conflict_pb2 as c
from metaqore.psmp.v1 import history_pb2 as h
from metaqore.psmp.v1 import project_pb2 as p
from metaqore.psmp.v1 import watch_pb2
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_ai_gateway.adapters.psmp import tenancy
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "acme-secret"
BODY = b"print('acme-secret')\n"
METHODS = {
    f"{service.name}.{method.name}"
    for path in Path(v1.__path__[0]).glob("*_pb2.py")
    for service in import_module(f"metaqore.psmp.v1.{path.stem}").DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
WHY = {"why": "because"}
OWN = frozenset({"ProjectService.CreateProject", "ProjectService.ListProjects", "ArtifactService.UploadContent"})
"""What names nothing of anybody: these work, and show what is one's own."""


def new(name, paths=(), **rest):
    declared = a.Declarations(paths=paths)
    return a.NewVersion(name=f"{SECRET}/{name}", content_bytes=BODY, declarations=declared, **rest)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def acme(live):
    """A project of acme with something of everything in it."""

    async def call(method, request, who="ann"):
        return await live.call(who, method, request)

    project = (await call("ProjectService.CreateProject", p.CreateProjectRequest(name=SECRET))).project.id

    async def make(name, paths=(), *, draft=False):
        request = a.CreateArtifactRequest(project_id=project, version=new(name, paths), draft=draft)
        return await call("ArtifactService.CreateArtifact", request)

    one = (await make("one.py", [SECRET])).artifact
    request = a.ActivateArtifactRequest(artifact_id=one.id, version=1)
    await call("ArtifactService.ActivateArtifact", request, who="bob")
    two = await make("two.py", [SECRET])
    (conflict,) = two.conflicts
    offered = (await make("offered.py", [f"{SECRET}/offered"])).artifact
    draft = (await make("draft.py", draft=True)).artifact
    opened = w.OpenTaskRequest(project_id=project, title=SECRET)
    task = (await call("WorkService.OpenTask", opened)).task.id
    claimed = (await call("WorkService.OpenTask", opened)).task.id
    await call("WorkService.ClaimTask", w.ClaimTaskRequest(id=claimed, lease_us=10**12))
    checkpoint = (
        await call("CheckpointService.TakeCheckpoint", k.TakeCheckpointRequest(project_id=project, name=SECRET))
    ).checkpoint.id
    parts = [a.UploadContentRequest(head=a.ContentHead()), a.UploadContentRequest(chunk=BODY)]
    digest = (await call("ArtifactService.UploadContent", parts)).body.digest
    return SimpleNamespace(
        project=project,
        active=one.id,
        blocked=two.artifact.id,
        offered=offered.id,
        draft=draft.id,
        conflict=conflict.id,
        task=task,
        claimed=claimed,
        checkpoint=checkpoint,
        digest=digest,
    )


def tries(of):
    """For each call, requests that acme's own people might make."""
    offered = {"artifact_id": of.offered, "version": 1}
    at = {"at": {"version": 1}}
    return {
        "ProjectService.CreateProject": [p.CreateProjectRequest(name="mine")],
        "ProjectService.GetProject": [
            p.GetProjectRequest(id=of.project),
            p.GetProjectRequest(id=of.project, **at),
            p.GetProjectRequest(id="default", at={"checkpoint_id": of.checkpoint}),
        ],
        "ProjectService.ListProjects": [p.ListProjectsRequest(page_size=1000)],
        "ProjectService.UpdateProject": [p.UpdateProjectRequest(id=of.project, description="mine")],
        "ProjectService.FreezeProject": [p.FreezeProjectRequest(id=of.project, **WHY)],
        "ProjectService.UnfreezeProject": [p.UnfreezeProjectRequest(id=of.project, **WHY)],
        "ProjectService.SetProjectMode": [p.SetProjectModeRequest(id=of.project, mode=p.MODE_FLEXIBLE, **WHY)],
        "ProjectService.SetProjectPolicy": [
            p.SetProjectPolicyRequest(id=of.project, policy=p.ProjectPolicy(), **WHY)
        ],
        "ProjectService.ArchiveProject": [p.ArchiveProjectRequest(id=of.project, cascade=True, **WHY)],
        "WorkService.OpenTask": [w.OpenTaskRequest(project_id=of.project, title="mine")],
        "WorkService.GetTask": [w.GetTaskRequest(id=of.task), w.GetTaskRequest(id=of.task, **at)],
        "WorkService.ListTasks": [w.ListTasksRequest(project_id=of.project)],
        "WorkService.UpdateTask": [w.UpdateTaskRequest(id=of.task, description="mine")],
        "WorkService.ClaimTask": [w.ClaimTaskRequest(id=of.task, lease_us=10**9)],
        "WorkService.ReleaseTask": [w.ReleaseTaskRequest(id=of.claimed)],
        "WorkService.StartTask": [w.StartTaskRequest(id=of.claimed)],
        "WorkService.CompleteTask": [w.CompleteTaskRequest(id=of.claimed)],
        "WorkService.FailTask": [w.FailTaskRequest(id=of.claimed, error="x")],
        "WorkService.CancelTask": [w.CancelTaskRequest(id=of.claimed)],
        "ArtifactService.CreateArtifact": [
            a.CreateArtifactRequest(project_id=of.project, version=new("one.py")),
            a.CreateArtifactRequest(project_id=of.project, version=new("three.py"), draft=True),
        ],
        "ArtifactService.ProposeArtifact": [a.ProposeArtifactRequest(artifact_id=of.draft, version=1)],
        "ArtifactService.ProposeArtifacts": [
            a.ProposeArtifactsRequest(project_id=of.project, proposals=[a.Proposal(created=new("one.py"))]),
            a.ProposeArtifactsRequest(
                proposals=[a.Proposal(draft=a.VersionRef(artifact_id=of.draft, version=1))], dry_run=True
            ),
        ],
        "ArtifactService.UpdateArtifact": [a.UpdateArtifactRequest(artifact_id=of.active, description="mine")],
        "ArtifactService.AmendArtifact": [
            a.AmendArtifactRequest(artifact_id=of.draft, version=1, declarations=a.Declarations())
        ],
        "ArtifactService.GetArtifact": [
            a.GetArtifactRequest(artifact_id=of.active), a.GetArtifactRequest(artifact_id=of.active, **at),
        ],
        "ArtifactService.ListArtifacts": [
            a.ListArtifactsRequest(project_id=of.project), a.ListArtifactsRequest(project_id=of.project, **at),
        ],
        "ArtifactService.GetArtifactVersion": [a.GetArtifactVersionRequest(artifact_id=of.active)],
        "ArtifactService.ListArtifactVersions": [a.ListArtifactVersionsRequest(artifact_id=of.active)],
        "ArtifactService.WithdrawArtifact": [a.WithdrawArtifactRequest(artifact_id=of.draft, version=1)],
        "ArtifactService.RejectArtifact": [a.RejectArtifactRequest(**offered, **WHY)],
        "ArtifactService.ApproveArtifact": [a.ApproveArtifactRequest(**offered, role="reviewer")],
        "ArtifactService.VetoArtifact": [a.VetoArtifactRequest(**offered, **WHY)],
        "ArtifactService.LiftArtifactVeto": [a.LiftArtifactVetoRequest(**offered, **WHY)],
        "ArtifactService.ActivateArtifact": [
            a.ActivateArtifactRequest(**offered), a.ActivateArtifactRequest(**offered, dry_run=True),
        ],
        "ArtifactService.ActivateArtifactOverWarning": [a.ActivateArtifactOverWarningRequest(**offered, **WHY)],
        "ArtifactService.ActivateOwnArtifact": [a.ActivateOwnArtifactRequest(**offered, **WHY)],
        "ArtifactService.ProposeAndActivateArtifact": [
            a.ProposeAndActivateArtifactRequest(artifact_id=of.draft, version=1, **WHY)
        ],
        "ArtifactService.DeprecateArtifact": [a.DeprecateArtifactRequest(artifact_id=of.active, version=1, **WHY)],
        "ArtifactService.ArchiveArtifact": [a.ArchiveArtifactRequest(artifact_id=of.active, version=1, **WHY)],
        "ArtifactService.RetireArtifact": [a.RetireArtifactRequest(artifact_id=of.active, **WHY)],
        "ArtifactService.EraseArtifactBody": [a.EraseArtifactBodyRequest(artifact_id=of.active, version=1, **WHY)],
        "ArtifactService.UploadContent": [
            [a.UploadContentRequest(head=a.ContentHead()), a.UploadContentRequest(chunk=BODY)]
        ],
        "ArtifactService.DownloadContent": [
            a.DownloadContentRequest(artifact_id=of.active),
            a.DownloadContentRequest(artifact_id=of.offered, version=1),
        ],
        "ArtifactService.GetProvenance": [a.GetProvenanceRequest(artifact_id=of.active, version=1)],
        "ConflictService.ListConflicts": [c.ListConflictsRequest(project_id=of.project)],
        "ConflictService.GetConflict": [c.GetConflictRequest(id=of.conflict)],
        "ConflictService.ResolveConflict": [
            c.ResolveConflictRequest(
                id=of.conflict, artifact_id=of.blocked, version=1, choice=c.CHOICE_KEEP_EXISTING, **WHY
            )
        ],
        "ConflictService.GetBlockingReport": [c.GetBlockingReportRequest(project_id=of.project)],
        "CheckpointService.TakeCheckpoint": [k.TakeCheckpointRequest(project_id=of.project, name="mine")],
        "CheckpointService.GetCheckpoint": [k.GetCheckpointRequest(id=of.checkpoint)],
        "CheckpointService.ListCheckpoints": [k.ListCheckpointsRequest(project_id=of.project)],
        "CheckpointService.DiffCheckpoint": [k.DiffCheckpointRequest(id=of.checkpoint)],
        "CheckpointService.RestoreCheckpoint": [
            k.RestoreCheckpointRequest(id=of.checkpoint, **WHY),
            k.RestoreCheckpointRequest(id=of.checkpoint, dry_run=True, **WHY),
        ],
        "HistoryService.GetState": [h.GetStateRequest(project_id=of.project)],
        "HistoryService.GetStateForm": [h.GetStateFormRequest(project_id=of.project)],
        "HistoryService.ListEvents": [h.ListEventsRequest(project_id=of.project)],
        "HistoryService.Diff": [h.DiffRequest(project_id=of.project, **{"from": {"version": 1}})],
        "WatchService.Watch": [
            watch_pb2.WatchRequest(project_ids=[of.project]),
            watch_pb2.WatchRequest(after_event_ids=[f"{of.project}@1"]),
        ],
    }  # fmt: skip


async def test_every_call_is_tried(acme):
    assert tries(acme).keys() == METHODS


async def everything(live, acme):
    """All that acme's own people see of the project."""
    state = await live.call("ann", "HistoryService.GetStateForm", h.GetStateFormRequest(project_id=acme.project))
    projects = await live.call("ann", "ProjectService.ListProjects", p.ListProjectsRequest(page_size=1000))
    conflicts = await live.call("ann", "ConflictService.ListConflicts", c.ListConflictsRequest(ended=True))
    body = await live.call("ann", "ArtifactService.DownloadContent", a.DownloadContentRequest(artifact_id=acme.active))
    return [one.SerializeToString(deterministic=True) for one in (*state, projects, conflicts, *body)]


async def seen_by(served, who, method, request):
    """What a call tells: its error, or the bytes of its answers."""
    try:
        answer = await served.call(who, method, request)
    except MetaQoreError as error:
        return error, ""
    answers = answer if isinstance(answer, list) else [answer]
    return None, b"".join(one.SerializeToString() for one in answers).decode("utf-8", "replace")


def shows(told, acme):
    """Whether anything of acme is in it."""
    return [one for one in (SECRET, *vars(acme).values()) if one in told]


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_another_organization_sees_and_changes_nothing(live, acme, method):
    before = await everything(live, acme)
    for request in tries(acme)[method]:
        error, told = await seen_by(live, "mallory", method, request)
        assert not shows(told, acme)
        if method in OWN:
            assert error is None
        else:
            assert error.kind is ErrorKind.NOT_FOUND, error.code
            assert error.code.endswith(("_not_found", "_missing", "_unknown"))
            assert SECRET not in error.message
    assert await everything(live, acme) == before


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_not_even_where_the_application_takes_it_for_acme(live, walled, acme, monkeypatch, method):
    before = await everything(live, acme)
    original = tenancy.of_organization
    with monkeypatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("metaqore_ai_gateway.adapters.psmp.") and hasattr(module, "of_organization"):
                patch.setattr(module, "of_organization", lambda pool, _: original(pool, "rival"))
        for request in tries(acme)[method]:
            error, told = await seen_by(walled, "confused", method, request)
            assert error is not None or method in OWN
            assert not shows(told, acme)
            assert error is None or SECRET not in error.message
    assert await everything(live, acme) == before


async def test_without_the_wall_it_would_have_seen_all(walled, acme):
    for method in ("ProjectService.GetProject", "ArtifactService.ListArtifacts", "HistoryService.ListEvents"):
        _, told = await seen_by(walled, "confused", method, tries(acme)[method][0])
        assert SECRET in told


async def test_a_body_is_no_other_organizations_by_its_digest(live, acme):
    request = a.CreateArtifactRequest(version=a.NewVersion(name="stolen", content_digest=acme.digest))
    error, _ = await seen_by(live, "mallory", "ArtifactService.CreateArtifact", request)
    assert error.code == "content_missing"


async def test_who_watches_sees_its_own_alone(live, acme):
    call = live.start("mallory", "WatchService.Watch", watch_pb2.WatchRequest(heartbeat_s=1))
    assert not (await call.read()).HasField("event")  # by now it watches
    await live.call("ann", "WorkService.OpenTask", w.OpenTaskRequest(project_id=acme.project, title=SECRET))
    made = await live.call("mallory", "ProjectService.CreateProject", p.CreateProjectRequest(name="watched"))
    async with asyncio.timeout(60):
        while not (told := await call.read()).HasField("event"):
            pass
    assert told.event.project_id == made.project.id
    call.cancel()
    with pytest.raises((asyncio.CancelledError, grpc.RpcError)):
        await call.read()
