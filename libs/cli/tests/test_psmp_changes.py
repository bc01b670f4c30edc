"""Every command that changes a project, and the one call that it makes."""

import json

import pytest
from cli_garden import CLASH, CLASHING, GARDEN, KNOWN, MAIN, TASK, WHY, committed

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import project_pb2 as projects
from metaqore.psmp.v1 import work_pb2 as work


@pytest.fixture(autouse=True)
def known(mesh):
    mesh.answers |= KNOWN


OF_MAIN = {"artifact_id": MAIN, "version": 2}
EXPLAINED = {**OF_MAIN, "why": "because"}
CHANGES = [
    (
        "project describe garden -d x",
        "UpdateProject",
        projects.UpdateProjectResponse,
        {"id": GARDEN, "description": "x"},
    ),
    ("project freeze garden", "FreezeProject", projects.FreezeProjectResponse, {"id": GARDEN, "why": "because"}),
    ("project unfreeze garden", "UnfreezeProject", projects.UnfreezeProjectResponse, {"id": GARDEN, "why": "because"}),
    (
        "project mode garden flexible",
        "SetProjectMode",
        projects.SetProjectModeResponse,
        {"id": GARDEN, "mode": projects.MODE_FLEXIBLE, "why": "because"},
    ),
    ("project archive garden", "ArchiveProject", projects.ArchiveProjectResponse, {"id": GARDEN, "why": "because"}),
    ("artifact activate main.py", "ActivateArtifact", artifacts.ActivateArtifactResponse, OF_MAIN),
    ("artifact activate main.py@1", "ActivateArtifact", artifacts.ActivateArtifactResponse, {**OF_MAIN, "version": 1}),
    ("artifact activate main.py --own", "ActivateOwnArtifact", artifacts.ActivateOwnArtifactResponse, EXPLAINED),
    (
        "artifact activate main.py --over-warning",
        "ActivateArtifactOverWarning",
        artifacts.ActivateArtifactOverWarningResponse,
        EXPLAINED,
    ),
    (
        "artifact activate main.py --propose",
        "ProposeAndActivateArtifact",
        artifacts.ProposeAndActivateArtifactResponse,
        EXPLAINED,
    ),
    (
        "artifact approve main.py --role reviewer",
        "ApproveArtifact",
        artifacts.ApproveArtifactResponse,
        {**OF_MAIN, "role": "reviewer"},
    ),
    ("artifact veto main.py", "VetoArtifact", artifacts.VetoArtifactResponse, EXPLAINED),
    ("artifact lift-veto main.py", "LiftArtifactVeto", artifacts.LiftArtifactVetoResponse, EXPLAINED),
    ("artifact reject main.py", "RejectArtifact", artifacts.RejectArtifactResponse, EXPLAINED),
    ("artifact withdraw main.py", "WithdrawArtifact", artifacts.WithdrawArtifactResponse, OF_MAIN),
    (
        "artifact deprecate main.py",
        "DeprecateArtifact",
        artifacts.DeprecateArtifactResponse,
        {**EXPLAINED, "version": 1},
    ),
    ("artifact archive main.py@1", "ArchiveArtifact", artifacts.ArchiveArtifactResponse, {**EXPLAINED, "version": 1}),
    (
        "artifact retire main.py --yes",
        "RetireArtifact",
        artifacts.RetireArtifactResponse,
        {"artifact_id": MAIN, "why": "because"},
    ),
    ("artifact erase main.py@2 --yes", "EraseArtifactBody", artifacts.EraseArtifactBodyResponse, EXPLAINED),
    (
        f"conflict resolve {CLASH} keep_existing",
        "ResolveConflict",
        conflicts.ResolveConflictResponse,
        {"id": CLASH, "choice": conflicts.CHOICE_KEEP_EXISTING, **EXPLAINED},
    ),
    (
        "conflict resolve 1f1f take_incoming --for app.py@5",
        "ResolveConflict",
        conflicts.ResolveConflictResponse,
        {"id": CLASH, "artifact_id": CLASHING.parties[1].artifact_id, "version": 5},
    ),
    (
        "task describe 0190 --title Weeds --label team=green",
        "UpdateTask",
        work.UpdateTaskResponse,
        {"id": TASK, "title": "Weeds", "labels": common.Labels(labels=[common.Label(name="team", value="green")])},
    ),
    ("task describe Weeding -d x", "UpdateTask", work.UpdateTaskResponse, {"id": TASK, "description": "x"}),
    ("task claim 0190 --lease 1h", "ClaimTask", work.ClaimTaskResponse, {"id": TASK, "lease_us": 3_600_000_000}),
    (f"task release {TASK}", "ReleaseTask", work.ReleaseTaskResponse, {"id": TASK}),
    ("task start 0190", "StartTask", work.StartTaskResponse, {"id": TASK}),
    ("task complete Weeding", "CompleteTask", work.CompleteTaskResponse, {"id": TASK}),
    ("task fail 0190 --error too_wet", "FailTask", work.FailTaskResponse, {"id": TASK, "error": "too_wet"}),
    ("task cancel 0190", "CancelTask", work.CancelTaskResponse, {"id": TASK, "error": "cancelled"}),
]
NO_REASON = {"UpdateProject", "ActivateArtifact", "ApproveArtifact"}


@pytest.mark.parametrize(("line", "call", "response", "asked"), CHANGES, ids=[line for line, *_ in CHANGES])
def test_a_change_is_asked_for_by_names(metaqore, mesh, line, call, response, asked):
    mesh.answers |= {call: committed(response)}
    mesh.answers["ListTasks"] = work.ListTasksResponse(tasks=[work.Task(id=TASK, title="Weeding")])
    words = line.split()
    group = words[0]
    why = () if group == "task" or call in NO_REASON else WHY
    project = () if group == "project" else ("--project", "garden")
    done = metaqore(*words, *why, *project, "--dry-run", "--if-revision", "3", "--idempotency-key", "k", "--json")
    assert (done.code, done.err) == (0, "")
    request = mesh.request(call)
    assert {name: getattr(request, name) for name in asked} == asked
    assert (request.dry_run, request.expected_version, request.idempotency_key) == (True, 3, "k")
    told = json.loads(done.out)
    assert (told["receipt"], told["project_version"], told["dry_run"]) == ("r-9", 12, True)


def test_without_the_options_nothing_is_expected(metaqore, mesh):
    mesh.answers["ActivateArtifact"] = committed(artifacts.ActivateArtifactResponse)
    done = metaqore("artifact", "activate", "main.py", "-p", "garden")
    request = mesh.request("ActivateArtifact")
    assert (request.dry_run, request.HasField("expected_version"), request.idempotency_key) == (False, False, "")
    assert "main.py v2 counts now" in done.out
    assert "receipt r-9 · project version 12" in done.err


def test_a_dry_run_tells_no_version_that_the_project_has(metaqore, mesh):
    mesh.answers["ActivateArtifact"] = committed(artifacts.ActivateArtifactResponse)
    done = metaqore("artifact", "activate", "main.py", "-p", "garden", "--dry-run")
    assert "project version would be 12" in done.err
