"""Each command of PSMP asks the mesh for what it says, with names where a person gives names."""

import json

import pytest
from cli_garden import ARTIFACT, CLASH, CLASHING, GARDEN, KNOWN, MAIN, RELEASE, TASK, WHY, committed
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import checkpoint_pb2 as checkpoints
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import history_pb2 as history
from metaqore.psmp.v1 import project_pb2 as projects
from metaqore.psmp.v1 import watch_pb2 as watch
from metaqore.psmp.v1 import work_pb2 as work
from metaqore_cli import completion
from metaqore_cli.main import app
from metaqore_governance_core.errors import ErrorKind, MetaQoreError


@pytest.fixture(autouse=True)
def known(mesh):
    mesh.answers |= KNOWN


WANTED = """--approvals 2:reviewer --approvals 1:security --veto-role security --may-resolve-own --proposal-ttl 7d
--mode flexible --label team=green""".split()  # noqa: SIM905 - as it is typed


def test_a_project_is_created_with_its_policy(metaqore, mesh):
    mesh.answers["CreateProject"] = committed(projects.CreateProjectResponse)
    metaqore("project", "create", "garden", *WANTED)
    request = mesh.request("CreateProject")
    policy = request.policy
    assert [(rule.role, rule.count) for rule in policy.approvals] == [("reviewer", 2), ("security", 1)]
    assert (list(policy.veto_roles), policy.may_activate_own, policy.may_resolve_own) == (["security"], False, True)
    assert (policy.proposal_ttl_us, request.mode) == (7 * 86_400_000_000, projects.MODE_FLEXIBLE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param("project mode garden loose", "strict, flexible", id="no such mode"),
        pytest.param("project policy garden --approvals reviewer", "2:reviewer", id="no count"),
        pytest.param("artifact activate main.py --own --over-warning", "one of", id="two ways at once"),
        pytest.param("conflict resolve 1f guess", "keep_existing", id="no such choice"),
        pytest.param("artifact erase main.py", "main.py@2", id="erasing needs a version"),
        pytest.param("project diff garden --from nowhere", "release-1", id="no such point"),
    ],
)
def test_a_wrong_word_is_told_with_the_right_ones(metaqore, words, told):
    done = metaqore(*words.split(), *(() if "diff" in words else WHY))
    shown = " ".join(done.err.replace("│", " ").split())
    assert done.code == 2
    if "diff" in words:
        assert "no point of the past" in shown
    else:
        assert told in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("project show desert", "project_not_found"),
        ("artifact show main.js -p garden", "artifact_not_found"),
        ("conflict show 77", "conflict_not_found"),
        ("checkpoint show release-9", "checkpoint_not_found"),
        ("conflict resolve 1f merge --for other.py@1 --why x", "conflict_other"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(metaqore, words, code):
    done = metaqore(*words.split())
    assert done.error.code == code
    assert "main.py" in done.error.message or "See" in done.error.message


def test_two_of_one_title_are_told_apart_by_id(metaqore, mesh):
    other = TASK.replace("bbbb", "cccc")
    mesh.answers["ListTasks"] = work.ListTasksResponse(
        tasks=[work.Task(id=TASK, title="Weeding"), work.Task(id=other, title="Weeding")]
    )
    error = metaqore("task", "start", "Weeding").error
    assert error.code == "task_ambiguous"
    assert TASK in error.message


@pytest.mark.parametrize(
    ("at", "point"),
    [
        pytest.param("41", common.Point(version=41), id="a version"),
        pytest.param("v41", common.Point(version=41), id="a version as it is shown"),
        pytest.param("2026-10-01T10:00:00Z", common.Point(time=Timestamp(seconds=1790848800)), id="a time"),
        pytest.param("release-1", common.Point(checkpoint_id=RELEASE), id="a checkpoint by name"),
        pytest.param(RELEASE, common.Point(checkpoint_id=RELEASE), id="a checkpoint by id"),
    ],
)
def test_the_past_is_named_by_version_time_or_checkpoint(metaqore, mesh, at, point):
    mesh.answers["GetState"] = history.GetStateResponse(
        project=projects.Project(name="garden"), artifacts=[ARTIFACT], version=41
    )
    done = metaqore("project", "state", "garden", "--at", at)
    assert mesh.request("GetState").at == point
    assert "main.py" in done.out


def test_a_long_state_is_read_to_its_end(metaqore, mesh):
    def page(request):
        last = request.page_token == "next"
        return history.GetStateResponse(
            project=projects.Project(name="garden"), artifacts=[ARTIFACT], next_page_token="" if last else "next"
        )

    mesh.answers["GetState"] = page
    assert len(json.loads(metaqore("project", "state", "garden", "--json").out)["artifacts"]) == 2


def test_the_report_tells_what_why_since_when_and_what_to_paste(metaqore, mesh):
    since = Timestamp()
    since.GetCurrentTime()
    since.seconds -= 7300
    command = 'metaqore conflict resolve conflict_1 merge --for main.py@2 --why "…"'
    mesh.answers["GetBlockingReport"] = conflicts.GetBlockingReportResponse(
        items=[
            conflicts.StuckItem(
                item="artifact main.py v2",
                cause=conflicts.CAUSE_CONFLICT,
                why="ann and bob write main.py.",
                since=since,
                ways_out=[common.WayOut(command=command, who="who may resolve")],
            )
        ]
    )
    done = metaqore("project", "report", "garden")
    for told in (
        "conflict artifact main.py v2 since 2 h ago",
        "ann and bob write main.py.",
        command,
        "who may resolve",
    ):
        assert told in done.out
    assert "1 stuck: 1 conflict" in done.out
    assert json.loads(metaqore("project", "report", "garden", "--json").out)[0]["cause"] == "conflict"


def test_what_happens_is_followed_with_names(metaqore, mesh):
    event = history.Event(
        id=f"{GARDEN}@5", aggregate=history.AGGREGATE_ARTIFACT, aggregate_id=MAIN, name="artifact.Deprecated", by="ann"
    )
    event.data.update({"version": 2, "why": "nothing calls it"})
    mesh.answers["GetArtifact"] = artifacts.GetArtifactResponse(artifact=ARTIFACT)
    mesh.answers["Watch"] = lambda _: iter([watch.WatchResponse(), watch.WatchResponse(event=event)] * 2)
    done = metaqore("project", "watch", "garden", "--after", f"{GARDEN}@4", "--name", "artifact.Deprecated")
    asked = mesh.request("Watch")
    assert (list(asked.project_ids), list(asked.after_event_ids)) == ([GARDEN], [f"{GARDEN}@4"])
    assert done.out.count("artifact.Deprecated  main.py v2") == 2
    assert "nothing calls it" in done.out
    assert len(mesh.requests("GetArtifact")) == 1


def restored(request):
    return checkpoints.RestoreCheckpointResponse(
        committed=common.Committed(receipt_id="r-9", project_version=50),
        changes=[
            history.Change(
                aggregate=history.AGGREGATE_ARTIFACT,
                name="main.py",
                kind=history.CHANGE_KIND_CHANGED,
                version_before=2,
                version_after=3,
            )
        ],
        conflicts=[CLASHING] if request.dry_run else [],
    )


def test_a_restore_shows_the_difference_and_asks(metaqore, mesh):
    mesh.answers["RestoreCheckpoint"] = restored
    done = metaqore("checkpoint", "restore", "release-1", *WHY, stdin="y\n")
    first, second = mesh.requests("RestoreCheckpoint")
    assert (first.dry_run, second.dry_run, second.expected_version, second.id) == (True, False, 50, RELEASE)
    assert "main.py  v2 -> v3" in done.out
    assert CLASH in done.out
    assert "release-1 is restored" in done.out


def test_a_restore_that_is_not_wanted_changes_nothing(metaqore, mesh):
    mesh.answers["RestoreCheckpoint"] = restored
    assert metaqore("checkpoint", "restore", "release-1", *WHY, stdin="n\n").error.code == "not_confirmed"
    assert metaqore("checkpoint", "restore", "release-1", *WHY, "--json").error.code == "not_confirmed"
    assert metaqore("checkpoint", "restore", "release-1", *WHY, stdin="").error.code == "not_confirmed"
    assert all(one.dry_run for one in mesh.requests("RestoreCheckpoint"))
    mesh.asked.clear()
    assert metaqore("checkpoint", "restore", "release-1", *WHY, "--yes").code == 0
    assert not mesh.request("RestoreCheckpoint").HasField("expected_version")


def test_a_checkpoint_of_a_time_names_the_version_of_then(metaqore, mesh):
    mesh.answers["GetState"] = history.GetStateResponse(version=33)
    mesh.answers["TakeCheckpoint"] = committed(checkpoints.TakeCheckpointResponse)
    metaqore("checkpoint", "take", "before", "--at", "2h ago")
    assert mesh.request("TakeCheckpoint").at_version == 33
    mesh.asked.clear()
    metaqore("checkpoint", "take", "now")
    assert not mesh.request("TakeCheckpoint").HasField("at_version")


def test_a_cascade_shows_what_it_ends_and_asks(metaqore, mesh):
    mesh.answers["ArchiveProject"] = projects.ArchiveProjectResponse(ended=[f"artifact {MAIN}", "task t"])
    done = metaqore("project", "archive", "garden", "--cascade", *WHY, stdin="n\n")
    assert done.error.code == "not_confirmed"
    assert "main.py, task t" in done.out
    assert [one.dry_run for one in mesh.requests("ArchiveProject")] == [True]


def test_where_it_comes_from_is_a_tree(metaqore, mesh):
    def node(name, number):
        ref = artifacts.VersionRef(artifact_id=f"id-{name}" if name != "main.py" else MAIN, version=number)
        return artifacts.ProvenanceNode(version=ref, name=name, provenance=artifacts.Provenance(agent="writer"))

    main, notes, data = node("main.py", 2), node("notes.md", 3), node("data.csv", 1)
    unknown = artifacts.VersionRef(artifact_id="gone", version=1)
    edges = [
        (main, notes.version, True),
        (main, data.version, False),
        (notes, data.version, False),
        (data, unknown, False),
    ]
    mesh.answers["GetProvenance"] = artifacts.GetProvenanceResponse(
        nodes=[main, notes, data],
        edges=[artifacts.ProvenanceEdge(derived=a.version, source=b, parent=parent) for a, b, parent in edges],
    )
    told = metaqore("artifact", "provenance", "main.py", "-p", "garden").out
    assert "continues notes.md v3" in told
    assert told.count("data.csv v1") == 2
    assert told.count("gone v1 (not here)") == 1
    assert mesh.request("GetProvenance").version == 2


def test_bytes_come_as_they_are(metaqore, mesh, tmp_path):
    parts = [artifacts.DownloadContentResponse(head=artifacts.Body(size_bytes=4))]
    parts += [artifacts.DownloadContentResponse(chunk=one) for one in (b"\x00\xff", b"ab")]
    mesh.answers["DownloadContent"] = lambda _: iter(parts)
    out = tmp_path / "main.py"
    metaqore("artifact", "content", "main.py@2", "-p", "garden", "--out", out)
    assert out.read_bytes() == b"\x00\xffab"
    assert list(tmp_path.iterdir()) == [out]


def test_a_body_that_is_erased_leaves_no_file(metaqore, mesh, tmp_path, refused):
    mesh.answers["DownloadContent"] = refused("body_erased")
    out = tmp_path / "main.py"
    assert metaqore("artifact", "content", "main.py@2", "-p", "garden", "--out", out).error.code == "body_erased"
    assert list(tmp_path.iterdir()) == []


def test_names_from_elsewhere_steer_no_terminal(metaqore, mesh):
    evil = artifacts.Artifact(name="\x1b[2J[red]x[/red]", latest=artifacts.ArtifactVersion(number=1))
    mesh.answers["ListArtifacts"] = artifacts.ListArtifactsResponse(artifacts=[evil])
    told = metaqore("artifact", "list", "-p", "garden").out
    assert "\x1b[2J" not in told
    assert "[red]x[/red]" in told


def test_tasks_of_a_project_and_tasks_of_the_doors(metaqore, mesh):
    mesh.answers["ListTasks"] = work.ListTasksResponse(
        tasks=[work.Task(id=TASK, title="Weeding", state=work.TASK_STATE_CLAIMED, holder="ann")]
    )
    told = metaqore("task", "list", "--project", "garden", "--state", "claimed", "--label", "team=green").out
    assert "Weeding" in told
    request = mesh.request("ListTasks")
    assert (request.project_id, request.state) == (GARDEN, work.TASK_STATE_CLAIMED)
    assert list(request.labels) == [common.Label(name="team", value="green")]
    assert "of the project default" in metaqore("task", "list", "--state", "claimed").err


def test_a_task_that_waits_is_shown_where_no_door_has_it(metaqore, mesh):
    waiting = work.Task(id=TASK, title="Weeding", state=work.TASK_STATE_OPEN)
    mesh.answers["GetTask"] = lambda request: (
        work.GetTaskResponse(task=waiting) if isinstance(request, work.GetTaskRequest) else _unknown(request)
    )
    assert "Weeding" in metaqore("task", "show", TASK).out


def test_a_task_is_shown_by_the_beginning_of_its_id(metaqore, mesh):
    tasks = [gateway.Task(id=TASK, caller="ann"), gateway.Task(id=f"{TASK[:-1]}e"), gateway.Task(id="019b")]
    waiting = [work.Task(id=TASK, title="Weeding")]
    mesh.answers["ListTasks"] = lambda request: (
        gateway.ListTasksResponse(tasks=tasks)
        if isinstance(request, gateway.ListTasksRequest)
        else work.ListTasksResponse(tasks=waiting)
    )
    mesh.answers["GetTask"] = lambda request: (
        gateway.GetTaskResponse(task=next(one for one in tasks if one.id == request.id))
        if isinstance(request, gateway.GetTaskRequest)
        else work.GetTaskResponse(task=waiting[0])
    )
    assert "019b" in metaqore("task", "show", "019b").out
    assert metaqore("task", "show", TASK[:-1]).error.code == "task_ambiguous"
    assert "Weeding" in metaqore("task", "show", "Weeding").out


def _unknown(request):
    assert isinstance(request, gateway.GetTaskRequest)
    return MetaQoreError("task_not_found", "None.", kind=ErrorKind.NOT_FOUND)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("project show gar", "garden", id="projects"),
        pytest.param("artifact activate --project garden ma", "main.py", id="artifacts"),
        pytest.param("conflict resolve conf", CLASH, id="conflicts"),
        pytest.param(f"conflict resolve {CLASH} keep", "keep_existing", id="choices"),
        pytest.param("checkpoint restore rel", "release-1", id="checkpoints"),
        pytest.param("project mode garden fle", "flexible", id="modes"),
        pytest.param("task submit --project gar", "garden", id="projects of a prompt"),
    ],
)
def test_a_shell_completes_names(monkeypatch, words, expected):
    monkeypatch.setenv("_METAQORE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"metaqore {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    told = CliRunner().invoke(app, [], prog_name="metaqore", env={"_METAQORE_COMPLETE": "complete_bash"})
    assert expected in told.output


RAN = [
    gateway.Task(id="019c-1", receipt_id="r-1", state=gateway.TASK_STATE_DENIED, model="m"),
    gateway.Task(id="019c-2", receipt_id="r-2", state=gateway.TASK_STATE_DONE, model="m"),
]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("task show 019c", ["019c-1", "019c-2"], id="tasks that ran"),
        pytest.param(f"task show --project garden {TASK[:9]}", [TASK], id="tasks that wait"),
        pytest.param("audit proof r-", ["r-1", "r-2"], id="receipts to prove"),
        pytest.param("audit verify r-1 r-2", ["r-2"], id="receipts to verify"),
        pytest.param("key revoke key_", ["key_holds"], id="keys that hold"),
    ],
)
def test_a_shell_completes_ids_of_what_came_through_a_door(mesh, words, expected):
    waiting = work.ListTasksResponse(tasks=[work.Task(id=TASK, title="Weeding")])
    mesh.answers["ListTasks"] = lambda request: (
        gateway.ListTasksResponse(tasks=RAN) if isinstance(request, gateway.ListTasksRequest) else waiting
    )
    revoked = gateway.ApiKey(id="key_revoked", revoke_time=Timestamp(seconds=1))
    mesh.answers["ListKeys"] = gateway.ListKeysResponse(keys=[gateway.ApiKey(id="key_holds", caller="ann"), revoked])
    asked = {"COMP_WORDS": f"metaqore {words}", "COMP_CWORD": str(len(words.split()))}
    told = CliRunner().invoke(app, [], prog_name="metaqore", env=asked | {"_METAQORE_COMPLETE": "complete_bash"})
    assert told.output.split() == expected


def test_a_prompt_belongs_to_the_project_of_the_environment(metaqore, mesh, monkeypatch):
    monkeypatch.setenv("METAQORE_PROJECT", "garden")
    mesh.answers["SubmitTask"] = lambda _: iter([])
    metaqore("task", "submit", "Hello")
    assert mesh.request("SubmitTask").project == "garden"


@pytest.mark.parametrize("words", ["artifact show main.js -p garden", "project state garden --at nowhere"])
def test_the_project_that_lacks_something_is_told_by_name(metaqore, words):
    done = metaqore(*words.split())
    told = done.error.message if done.error else done.err.replace("│", " ")
    assert "in the project garden." in " ".join(told.split())


def test_a_point_that_is_not_in_the_default_project_is_told_as_that(metaqore):
    shown = " ".join(metaqore("artifact", "list", "--at", "nowhere").err.replace("│", " ").split())
    assert "in the default project; name another by --project" in shown


HOSTILE = projects.ListProjectsResponse(
    projects=[
        projects.Project(name="two words", description="\\$(id) `id` [/etc] it's\nlong " + "long " * 40),
        projects.Project(name="\\$(id)"),
        projects.Project(name="green\x1b[2J"),
    ]
)


@pytest.mark.parametrize(
    ("shell", "told"),
    [
        pytest.param("bash", "two\\ words", id="bash, which takes a name as it comes"),
        pytest.param("zsh", '"two words":"(id) id (/etc) its long long', id="zsh, which evaluates what it is told"),
        pytest.param("fish", "two words\t(id) id (/etc) its long long", id="fish, where a line is an offer"),
    ],
)
@pytest.mark.parametrize("typed", ["", "tw"])
def test_what_others_wrote_says_nothing_to_a_shell(mesh, shell, told, typed):
    mesh.answers["ListProjects"] = HOSTILE
    line = {"_TYPER_COMPLETE_ARGS": f"metaqore project show {typed}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    bash = {"COMP_WORDS": f"metaqore project show {typed}", "COMP_CWORD": "3"}
    asked = {"_METAQORE_COMPLETE": f"complete_{shell}"}
    output = CliRunner().invoke(app, [], prog_name="metaqore", env=asked | line | bash).output
    assert told in output
    assert len(output.splitlines()) == 1
    assert not set(output.replace("two\\ words", "")) & set("\\$`\x1b")


def test_a_mesh_that_is_away_completes_nothing(monkeypatch):
    monkeypatch.setenv("METAQORE_GATEWAY_ENDPOINT", "127.0.0.1:1")
    assert completion.projects("") == []


def test_a_dry_run_is_told_as_what_would_be(metaqore, mesh):
    mesh.answers["FreezeProject"] = projects.FreezeProjectResponse(project=projects.Project(name="garden"))
    for words, told in (((), "done: the project garden is frozen"), (("--dry-run",), "garden would be frozen")):
        assert told in metaqore("project", "freeze", "garden", *WHY, *words).out


def test_one_change_is_not_told_as_many(metaqore, mesh):
    change = history.Change(name="main.py", aggregate=history.AGGREGATE_ARTIFACT, kind=history.CHANGE_KIND_CHANGED)
    mesh.answers["RestoreCheckpoint"] = checkpoints.RestoreCheckpointResponse(changes=[change])
    done = metaqore("checkpoint", "restore", "release-1", "-p", "garden", *WHY, "--yes")
    assert "release-1 is restored: 1 change\n" in done.out
