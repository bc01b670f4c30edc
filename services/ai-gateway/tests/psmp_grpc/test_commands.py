import pytest

from metaqore.gateway.v1 import gateway_pb2
from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import checkpoint_pb2 as k
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as c
from metaqore.psmp.v1 import project_pb2 as p
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Difference
from metaqore_governance_core.contracts.psmp_commands import COMMAND_NAMES
from metaqore_governance_core.identity import Door
from metaqore_governance_core.psmp.artifact_state import Artifact, OpenConflict, Phase
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    ConflictType,
    Party,
    Severity,
    make_conflict,
)
from metaqore_governance_core.psmp.resolution import Step

V = {"artifact_id": "artifact_x", "version": 2}
SENT = {"artifact": "artifact_x", "version": 2, "expected_revision": None}
WHY = {"why": "because"}

COMMANDS = [
    ("ProjectService.CreateProject", p.CreateProjectRequest(name="garden"), "project.create", "", {"mode": "strict"}),
    (
        "ProjectService.CreateProject",
        p.CreateProjectRequest(
            name="garden",
            mode=p.MODE_FLEXIBLE,
            labels=[common.Label(name="team", value="blue")],
            policy=p.ProjectPolicy(approvals=[p.ApprovalRule(role="r", count=2)], proposal_ttl_us=9),
        ),
        "project.create",
        "",
        {
            "mode": "flexible",
            "labels": {"team": "blue"},
            "policy": {
                "approvals": [{"role": "r", "count": 2}],
                "veto_roles": [],
                "may_activate_own": False,
                "may_resolve_own": False,
                "proposal_ttl_us": 9,
            },
        },
    ),
    (
        "ProjectService.UpdateProject",
        p.UpdateProjectRequest(id="p1", labels=common.Labels()),
        "project.describe",
        "p1",
        {"description": None, "labels": {}},
    ),
    ("ProjectService.FreezeProject", p.FreezeProjectRequest(id="p1", **WHY), "project.freeze", "p1", WHY),
    ("ProjectService.UnfreezeProject", p.UnfreezeProjectRequest(id="p1", **WHY), "project.unfreeze", "p1", WHY),
    (
        "ProjectService.SetProjectMode",
        p.SetProjectModeRequest(id="p1", mode=p.MODE_FLEXIBLE, **WHY),
        "project.set_mode",
        "p1",
        {"mode": "flexible", **WHY},
    ),
    (
        "ProjectService.SetProjectPolicy",
        p.SetProjectPolicyRequest(id="p1", policy=p.ProjectPolicy(veto_roles=["law"]), **WHY),
        "project.set_policy",
        "p1",
        WHY,
    ),
    (
        "ProjectService.ArchiveProject",
        p.ArchiveProjectRequest(id="p1", cascade=True, expected_version=0, **WHY),
        "project.archive",
        "p1",
        {"cascade": True, "expected_revision": 0, **WHY},
    ),
    ("WorkService.OpenTask", w.OpenTaskRequest(project_id="p1", title="weed"), "task.open", "p1", {"title": "weed"}),
    (
        "WorkService.OpenTask",
        w.OpenTaskRequest(title="weed", description="All beds.", labels=[common.Label(name="team", value="blue")]),
        "task.open",
        "",
        {"title": "weed", "description": "All beds.", "labels": {"team": "blue"}},
    ),
    (
        "WorkService.UpdateTask",
        w.UpdateTaskRequest(id="t1", description="", labels=common.Labels(), expected_version=3),
        "task.describe",
        "",
        {"task": "t1", "title": None, "description": "", "labels": {}, "expected_revision": 3},
    ),
    (
        "WorkService.ClaimTask",
        w.ClaimTaskRequest(id="t1", lease_us=5, expected_version=3),
        "task.claim",
        "",
        {"task": "t1", "lease_us": 5, "expected_revision": 3},
    ),
    ("WorkService.ReleaseTask", w.ReleaseTaskRequest(id="t1"), "task.release", "", {"task": "t1"}),
    ("WorkService.StartTask", w.StartTaskRequest(id="t1"), "task.start", "", {"task": "t1"}),
    ("WorkService.CompleteTask", w.CompleteTaskRequest(id="t1"), "task.complete", "", {"task": "t1"}),
    ("WorkService.FailTask", w.FailTaskRequest(id="t1", error="e"), "task.fail", "", {"task": "t1", "error": "e"}),
    ("WorkService.CancelTask", w.CancelTaskRequest(id="t1"), "task.cancel", "", {"task": "t1", "error": "cancelled"}),
    (
        "ArtifactService.CreateArtifact",
        a.CreateArtifactRequest(
            project_id="p1", version=a.NewVersion(name="x", content_digest="d" * 64), draft=True, expected_version=0
        ),
        "artifact.draft",
        "p1",
        {"expected_revision": 0},
    ),
    (
        "ArtifactService.ProposeArtifact",
        a.ProposeArtifactRequest(**V, expected_version=4),
        "artifact.propose",
        "",
        {
            "proposals": [{"created": None, "draft": {"artifact": "artifact_x", "version": 2}, "expected_revision": 4}],
            "refuse_blocked": False,
        },
    ),
    (
        "ArtifactService.ProposeArtifacts",
        a.ProposeArtifactsRequest(
            proposals=[
                a.Proposal(draft=a.VersionRef(**V)),
                a.Proposal(created=a.NewVersion(name="x", content_bytes=b"")),
            ],
            refuse_blocked=True,
        ),
        "artifact.propose",
        "",
        {"refuse_blocked": True},
    ),
    (
        "ArtifactService.UpdateArtifact",
        a.UpdateArtifactRequest(artifact_id="artifact_x", description=""),
        "artifact.describe",
        "",
        {"artifact": "artifact_x", "description": "", "labels": None},
    ),
    (
        "ArtifactService.AmendArtifact",
        a.AmendArtifactRequest(**V, declarations=a.Declarations(paths=["b.py"])),
        "artifact.amend",
        "",
        SENT,
    ),
    ("ArtifactService.WithdrawArtifact", a.WithdrawArtifactRequest(**V), "artifact.withdraw", "", SENT | {"why": ""}),
    ("ArtifactService.RejectArtifact", a.RejectArtifactRequest(**V, **WHY), "artifact.reject", "", SENT | WHY),
    ("ArtifactService.ApproveArtifact", a.ApproveArtifactRequest(**V, role="r"), "artifact.approve", "", {"role": "r"}),
    ("ArtifactService.VetoArtifact", a.VetoArtifactRequest(**V, **WHY), "artifact.lay_veto", "", SENT | WHY),
    ("ArtifactService.LiftArtifactVeto", a.LiftArtifactVetoRequest(**V, **WHY), "artifact.lift_veto", "", SENT | WHY),
    (
        "ArtifactService.ActivateArtifact",
        a.ActivateArtifactRequest(**V, expected_version=9),
        "artifact.activate",
        "",
        {"expected_revision": 9},
    ),
    (
        "ArtifactService.ActivateArtifactOverWarning",
        a.ActivateArtifactOverWarningRequest(**V, **WHY),
        "artifact.activate_over_warning",
        "",
        SENT | WHY,
    ),
    (
        "ArtifactService.ActivateOwnArtifact",
        a.ActivateOwnArtifactRequest(**V, **WHY),
        "artifact.activate_own",
        "",
        SENT | WHY,
    ),
    (
        "ArtifactService.ProposeAndActivateArtifact",
        a.ProposeAndActivateArtifactRequest(**V, **WHY),
        "artifact.propose_and_activate",
        "",
        SENT | WHY,
    ),
    ("ArtifactService.DeprecateArtifact", a.DeprecateArtifactRequest(**V, **WHY), "artifact.deprecate", "", SENT | WHY),
    ("ArtifactService.ArchiveArtifact", a.ArchiveArtifactRequest(**V, **WHY), "artifact.archive", "", SENT | WHY),
    (
        "ArtifactService.RetireArtifact",
        a.RetireArtifactRequest(artifact_id="artifact_x", **WHY),
        "artifact.retire",
        "",
        {"artifact": "artifact_x", **WHY},
    ),
    (
        "ArtifactService.EraseArtifactBody",
        a.EraseArtifactBodyRequest(**V, **WHY),
        "artifact.erase_body",
        "",
        SENT | WHY,
    ),
    (
        "ConflictService.ResolveConflict",
        c.ResolveConflictRequest(id="conflict_1", **V, choice=c.CHOICE_KEEP_EXISTING, **WHY),
        "conflict.resolve",
        "",
        SENT | WHY | {"conflict": "conflict_1", "choice": "keep_existing", "content_digest": None},
    ),
    (
        "CheckpointService.TakeCheckpoint",
        k.TakeCheckpointRequest(project_id="p1", name="before", at_version=0),
        "checkpoint.take",
        "p1",
        {"checkpoint_name": "before", "at_version": 0},
    ),
    (
        "CheckpointService.RestoreCheckpoint",
        k.RestoreCheckpointRequest(id="checkpoint_x", expected_version=8, **WHY),
        "checkpoint.restore",
        "",
        {"checkpoint": "checkpoint_x", "expected_version": 8, **WHY},
    ),
]


@pytest.mark.parametrize(
    ("method", "request_", "name", "project_id", "fields"), COMMANDS, ids=[one[0] for one in COMMANDS]
)
async def test_a_call_is_one_command(door, method, request_, name, project_id, fields):  # noqa: PLR0917 - a case has that many
    request_.dry_run = True
    request_.idempotency_key = "key-1"
    response = await door.call(method, request_)
    (given,) = door.gate.given
    assert (given.command.name, given.project, given.key, given.dry_run) == (name, project_id, "key-1", True)
    assert (given.door, given.caller.name, given.label) == (Door.GRPC, "ann", None)
    assert type(request_).FromString(given.raw) == request_
    sent = given.command.model_dump()
    assert {field: sent[field] for field in fields} == fields
    assert type(given.command).model_validate(sent) == given.command
    done = response.committed
    assert (done.receipt_id, done.receipt_token, done.project_version) == ("receipt-1", "token-1", 7)


def test_every_command_has_a_call():
    assert {name for _, _, name, _, _ in COMMANDS} == set(COMMAND_NAMES)


async def test_the_receipt_is_in_the_initial_metadata(door):
    call = door.start("WorkService.StartTask", w.StartTaskRequest(id="t1"))
    await call
    assert dict(await call.initial_metadata())["metaqore-receipt"] == "token-1"


async def test_a_new_version_goes_with_all_that_it_declares(door):
    message = a.NewVersion(
        name="x",
        content_bytes=b"print()\n",
        media_type="text/x-python",
        declarations=a.Declarations(
            paths=["x.py"],
            renames=[a.Rename(from_path="old.py", to_path="x.py")],
            dependencies=[a.Dependency(ecosystem="python", name="numpy", text="numpy<2", scope="dev")],
            environment="prod",
            semantic_version="1.2.3",
            sensitivity=gateway_pb2.SENSITIVITY_SENSITIVE,
        ),
        provenance=a.Provenance(
            agent="bot", model="m", task_id="t1", prompt_digest="ab", document_digests=["cd"], inputs=["i@1"],
            parents=["p@1"],
        ),
        description="",
        labels=common.Labels(labels=[common.Label(name="team", value="blue")]),
    )  # fmt: skip
    await door.call("ArtifactService.CreateArtifact", a.CreateArtifactRequest(version=message))
    (proposal,) = door.gate.given[0].command.proposals
    created = proposal.created.model_dump()
    assert (created["content_text"], created["content_base64"]) == ("print()\n", None)
    assert created["declarations"] == {
        "paths": ["x.py"],
        "renames": [{"from_path": "old.py", "to_path": "x.py"}],
        "dependencies": [
            {
                "ecosystem": "python", "name": "numpy", "text": "numpy<2", "declares": "", "scope": "dev",
                "marker": "", "kind": "", "manifest": "", "via": "", "selector": "",
            }
        ],
        "environment": "prod",
        "semantic_version": "1.2.3",
        "sensitivity": "SENSITIVE",
    }  # fmt: skip
    assert created["provenance"]["task"] == "t1"
    assert (created["description"], created["labels"]) == ("", {"team": "blue"})


async def test_bytes_that_are_no_text_go_as_base64(door):
    message = a.NewVersion(name="x", content_bytes=b"\xff\x00")
    await door.call("ArtifactService.CreateArtifact", a.CreateArtifactRequest(version=message, draft=True))
    made = door.gate.given[0].command.version
    assert (made.content_text, made.content_base64) == (None, "/wA=")


def clash(key="a.py", extra=0):
    sides = (Party("a.py", 1, "ann", key), Party("b.py", 1, "bob", key))
    others = tuple(Party(f"other-{number}", 1, "carl", key) for number in range(extra))
    return make_conflict(
        ConflictType.PATH_SAME,
        Severity.BLOCKING,
        key,
        parties=sides + others,
        clashing=sides,
        suggestion=Choice.KEEP_EXISTING,
        explanation=f"Both write {key}.",
    )


async def test_an_answer_shows_the_artifact_and_what_it_stands_in(door, made):
    opened = OpenConflict(clash(), 1_500_000)
    known = made.artifact(
        "a.py",
        made.version(1, Phase.ACTIVE, drafted_us=1_000_000),
        made.version(2, Phase.BLOCKED, conflicts=(opened,), expires_us=3_000_000),
    )
    door.gate.answer = Answer("r", "t", "p1", 8, changed=(known,), conflicts=(opened,))
    request = a.CreateArtifactRequest(version=a.NewVersion(name="a.py", content_bytes=b"x"))
    response = await door.call("ArtifactService.CreateArtifact", request)
    shown = response.artifact
    assert (shown.id, shown.name, shown.active_version, shown.revision) == (known.id, "a.py", 1, 3)
    assert (shown.latest.number, shown.latest.phase) == (2, a.PHASE_BLOCKED)
    assert shown.latest.expire_time.ToMicroseconds() == 3_000_000
    assert shown.create_time.ToMicroseconds() == 1_000_000
    assert list(shown.labels) == [common.Label(name="team", value="blue")]
    (conflict,) = response.conflicts
    assert conflict == shown.latest.conflicts[0]
    assert (conflict.artifact_id, conflict.version, conflict.project_id) == (known.id, 2, "p1")
    assert conflict.parties[0].artifact_id == known.id
    assert conflict.choices[0] == conflict.suggestion == c.CHOICE_KEEP_EXISTING
    assert conflict.open_time.ToMicroseconds() == 1_500_000


async def test_artifacts_come_in_the_order_of_their_proposals(door, made):
    one, two, freed = made.artifact("one"), made.artifact("two"), made.artifact("freed")
    door.gate.answer = Answer("r", "t", "p1", 8, changed=(freed, two, one))
    request = a.ProposeArtifactsRequest(
        proposals=[
            a.Proposal(created=a.NewVersion(name="one", content_bytes=b"")),
            a.Proposal(draft=a.VersionRef(artifact_id=two.id, version=1)),
        ]
    )
    response = await door.call("ArtifactService.ProposeArtifacts", request)
    assert [shown.name for shown in response.artifacts] == ["one", "two"]


async def test_a_cascade_names_what_it_ended(door, made):
    door.gate.answer = Answer(
        "r", "t", "p1", 8, changed=(made.artifact(), made.project()), ended=("artifact a", "task t")
    )
    response = await door.call("ProjectService.ArchiveProject", p.ArchiveProjectRequest(id="p1", why="done"))
    assert (response.project.id, response.project.version, list(response.ended)) == ("p1", 7, ["artifact a", "task t"])


async def test_a_resolution_tells_its_steps_and_what_is_left(door, made):
    known = made.artifact("a.py")
    left = OpenConflict(clash("b.py"), 1, Choice.MANUAL)
    steps = (Step("a.py", 1, "reject", "why", ("b@1",)),)
    door.gate.answer = Answer("r", "t", "p1", 8, changed=(known,), conflicts=(left,), steps=steps)
    request = c.ResolveConflictRequest(id="c", artifact_id="x", version=1, choice=c.CHOICE_MANUAL, why="w")
    response = await door.call("ConflictService.ResolveConflict", request)
    assert list(response.changed) == [known.id]
    assert [(step.verb, list(step.parents)) for step in response.steps] == [("reject", ["b@1"])]
    assert [one.chosen for one in response.left] == [c.CHOICE_MANUAL]


async def test_a_checkpoint_is_taken_and_restored(door, made):
    taken = Checkpoint("checkpoint_x", "before", 5, "ann", 1_000_000, "note", "ab")
    door.gate.answer = Answer("r", "t", "p1", 8, checkpoint=taken)
    response = await door.call("CheckpointService.TakeCheckpoint", k.TakeCheckpointRequest(name="before"))
    shown = response.checkpoint
    assert (shown.id, shown.project_id, shown.version, shown.state_digest) == ("checkpoint_x", "p1", 5, "ab")
    empty = Artifact()
    with_active = made.artifact("a.py", made.version(1, Phase.ACTIVE)).artifact
    door.gate.answer = Answer(
        "r", "t", "p1", 9, differences=(Difference("a.py", empty, with_active), Difference("b.py", with_active, empty))
    )
    restored = await door.call(
        "CheckpointService.RestoreCheckpoint", k.RestoreCheckpointRequest(id="checkpoint_x", why="back")
    )
    assert [(one.name, one.kind, one.version_before, one.version_after) for one in restored.changes] == [
        ("a.py", 1, 0, 1),
        ("b.py", 2, 1, 0),
    ]


async def test_a_task_shows_its_holder_and_lease(door, made):
    door.gate.answer = Answer("r", "t", "p1", 8, changed=(made.task(),))
    shown = (await door.call("WorkService.ClaimTask", w.ClaimTaskRequest(id="t1", lease_us=1))).task
    assert (shown.holder, shown.state, shown.lease_time.ToMicroseconds()) == ("ann", w.TASK_STATE_CLAIMED, 9_000_000)
