"""What a team does over gRPC, on a real store."""

import hashlib
import secrets

import grpc
import pytest
import pytest_asyncio

from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import checkpoint_pb2 as k
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as c
from metaqore.psmp.v1 import history_pb2 as h
from metaqore.psmp.v1 import project_pb2 as p
from metaqore.psmp.v1 import refusal_pb2, watch_pb2
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.receipts import parse_token
from metaqore_mesh.errors import detail_of_call

UNKNOWN = f"artifact_{'a' * 26}@1"

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Team:
    """Calls in one project."""

    def __init__(self, live, project):
        self.live, self.project = live, project

    async def call(self, method, request, who="ann"):
        return await self.live.call(who, method, request)

    async def make(self, name, *, paths=(), needs=(), who="ann", content=b"x", **rest):
        version = new(name, paths, needs, content)
        request = a.CreateArtifactRequest(project_id=self.project, version=version, **rest)
        return await self.call("ArtifactService.CreateArtifact", request, who)

    async def activate(self, artifact, number=1, who="bob", **rest):
        request = a.ActivateArtifactRequest(artifact_id=artifact.id, version=number, **rest)
        return (await self.call("ArtifactService.ActivateArtifact", request, who)).artifact

    async def state(self, **at):
        request = h.GetStateRequest(project_id=self.project, **at)
        return await self.call("HistoryService.GetState", request)

    async def refused(self, method, request, who="ann"):
        call = self.live.start(who, method, request)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call
        return ended.value


def new(name, paths=(), needs=(), content=b"x"):
    dependencies = [a.Dependency(ecosystem="python", name=one[:5], text=one, declares=one) for one in needs]
    declared = a.Declarations(paths=paths, dependencies=dependencies)
    return a.NewVersion(name=name, content_bytes=content, declarations=declared)


@pytest_asyncio.fixture(loop_scope="module")
async def team(live):
    request = p.CreateProjectRequest(name=secrets.token_hex(6))
    made = await live.call("ann", "ProjectService.CreateProject", request)
    assert (made.project.mode, made.project.version, made.committed.project_version) == (p.MODE_STRICT, 1, 1)
    return Team(live, made.project.id)


async def test_agents_that_cannot_both_be_right_are_stopped_and_told(team):
    one = (await team.make("one", needs=["numpy<2"])).artifact
    two = await team.make("two", needs=["numpy>=2"], who="bob")
    three = await team.make("three", needs=["flask>=3"], who="bob")
    assert (two.artifact.latest.phase, three.artifact.latest.phase) == (a.PHASE_BLOCKED, a.PHASE_PROPOSED)
    (conflict,) = two.conflicts
    assert (conflict.type, conflict.artifact_id, conflict.version) == ("python_versions", two.artifact.id, 1)
    assert {party.by for party in conflict.clashing} == {"ann", "bob"}
    assert {party.artifact_id for party in conflict.clashing} == {one.id, two.artifact.id}

    request = a.ActivateArtifactRequest(artifact_id=two.artifact.id, version=1)
    ended = await team.refused("ArtifactService.ActivateArtifact", request)
    told = detail_of_call(ended, refusal_pb2.Refusal)
    assert ended.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert [blocking.id for blocking in told.conflicts] == [conflict.id]
    assert "numpy" in told.conflicts[0].explanation
    assert any(conflict.id in way.command for way in told.ways_out)
    assert parse_token(dict(ended.initial_metadata())["metaqore-receipt"]).id == told.receipt_id

    listed = await team.call("ConflictService.ListConflicts", c.ListConflictsRequest(project_id=team.project))
    assert [found.id for found in listed.conflicts] == [conflict.id]
    report = await team.call(
        "ConflictService.GetBlockingReport",
        c.GetBlockingReportRequest(project_id=team.project, cause=c.CAUSE_CONFLICT),
    )
    assert (report.total, [item.cause for item in report.items]) == (1, [c.CAUSE_CONFLICT])

    resolve = c.ResolveConflictRequest(
        id=conflict.id, artifact_id=two.artifact.id, version=1, choice=c.CHOICE_KEEP_EXISTING, why="one came first"
    )
    resolved = await team.call("ConflictService.ResolveConflict", resolve, who="bob")
    assert ([step.verb for step in resolved.steps], list(resolved.left)) == (["reject"], [])
    assert two.artifact.id in resolved.changed
    gone = await team.call("ConflictService.GetConflict", c.GetConflictRequest(id=conflict.id))
    assert gone.conflict.HasField("end_time")


async def test_forty_files_are_offered_all_or_nothing(team):
    await team.make("file-7", paths=["src/7.py"])
    offered = [a.Proposal(created=new(f"part-{number}", [f"src/{number}.py"])) for number in range(40)]
    request = a.ProposeArtifactsRequest(project_id=team.project, proposals=offered, refuse_blocked=True)
    ended = await team.refused("ArtifactService.ProposeArtifacts", request, who="bob")
    told = detail_of_call(ended, refusal_pb2.Refusal)
    assert [one.key for one in told.conflicts] == [told.conflicts[0].key]
    assert "7.py" in told.conflicts[0].key
    assert len((await team.state()).artifacts) == 1

    request.refuse_blocked = False
    request.dry_run = True
    dry = await team.call("ArtifactService.ProposeArtifacts", request, who="bob")
    assert [one.name for one in dry.artifacts] == [f"part-{number}" for number in range(40)]
    assert len(dry.conflicts) == 1
    assert len((await team.state()).artifacts) == 1

    request.dry_run = False
    done = await team.call("ArtifactService.ProposeArtifacts", request, who="bob")
    phases = {one.name: one.latest.phase for one in done.artifacts}
    assert phases.pop("part-7") == a.PHASE_BLOCKED
    assert set(phases.values()) == {a.PHASE_PROPOSED}


async def test_a_draft_is_amended_offered_and_counts(team):
    drafted = (await team.make("draft", draft=True)).artifact
    assert (drafted.latest.phase, drafted.revision) == (a.PHASE_DRAFT, 1)
    amend = a.AmendArtifactRequest(
        artifact_id=drafted.id, version=1, declarations=a.Declarations(paths=["a.py"]), expected_version=1
    )
    amended = (await team.call("ArtifactService.AmendArtifact", amend)).artifact
    assert list(amended.latest.declarations.paths) == ["a.py"]
    again = await team.refused("ArtifactService.AmendArtifact", amend)
    assert again.code() is grpc.StatusCode.ABORTED
    offered = await team.call(
        "ArtifactService.ProposeArtifact", a.ProposeArtifactRequest(artifact_id=drafted.id, version=1)
    )
    assert offered.artifact.latest.phase == a.PHASE_PROPOSED
    own = await team.refused(
        "ArtifactService.ActivateArtifact", a.ActivateArtifactRequest(artifact_id=drafted.id, version=1)
    )
    assert own.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await team.activate(drafted)).active_version == 1
    described = await team.call(
        "ArtifactService.UpdateArtifact",
        a.UpdateArtifactRequest(
            artifact_id=drafted.id, description="d", labels=common.Labels(labels=[common.Label(name="n", value="v")])
        ),
    )
    assert (described.artifact.description, len(described.artifact.labels)) == ("d", 1)
    listed = await team.call(
        "ArtifactService.ListArtifacts",
        a.ListArtifactsRequest(project_id=team.project, labels=[common.Label(name="n", value="v")]),
    )
    assert [one.id for one in listed.artifacts] == [drafted.id]


async def test_a_repeat_with_the_same_key_gets_the_first_answer(team):
    key = secrets.token_hex(8)
    first = await team.make("once", idempotency_key=key)
    again = await team.make("once", idempotency_key=key)
    assert again == first
    other = a.CreateArtifactRequest(project_id=team.project, version=new("other"), idempotency_key=key)
    ended = await team.refused("ArtifactService.CreateArtifact", other)
    assert ended.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_large_body_goes_up_and_comes_back_until_it_is_erased(team):
    text = secrets.token_bytes(3 << 20)
    head = a.ContentHead(media_type="application/zip", size_bytes=len(text), sha256=hashlib.sha256(text).digest())
    parts = [a.UploadContentRequest(head=head)]
    parts += [a.UploadContentRequest(chunk=text[begin : begin + (1 << 20)]) for begin in range(0, len(text), 1 << 20)]
    sent = await team.call("ArtifactService.UploadContent", parts)
    assert parse_token(sent.receipt_token).id == sent.receipt_id
    version = a.NewVersion(name="big.zip", content_digest=sent.body.digest, media_type="application/zip")
    request = a.CreateArtifactRequest(project_id=team.project, version=version)
    made = (await team.call("ArtifactService.CreateArtifact", request)).artifact
    assert made.latest.body == sent.body
    for offset in (0, 5, 1 << 20, len(text) - 1, len(text)):
        fetch = a.DownloadContentRequest(artifact_id=made.id, version=1, offset_bytes=offset)
        got = await team.call("ArtifactService.DownloadContent", fetch)
        assert got[0].head == made.latest.body
        assert b"".join(one.chunk for one in got[1:]) == text[offset:]
    erase = a.EraseArtifactBodyRequest(artifact_id=made.id, version=1, why="law")
    erased = (await team.call("ArtifactService.EraseArtifactBody", erase)).artifact
    assert erased.latest.erased
    with pytest.raises(MetaQoreError) as refused:
        await team.call("ArtifactService.DownloadContent", fetch)
    assert refused.value.code == "body_erased"


async def test_a_checkpoint_brings_back_what_was(team):
    one = (await team.make("one", content=b"first")).artifact
    await team.activate(one)
    take = k.TakeCheckpointRequest(project_id=team.project, name="then", description="good")
    taken = (await team.call("CheckpointService.TakeCheckpoint", take)).checkpoint
    await team.make("one", content=b"second")
    await team.activate(one, 2)
    two = (await team.make("two")).artifact
    await team.activate(two)

    def changes(response):
        return [(each.name, each.kind, each.version_before, each.version_after) for each in response.changes]

    since = await team.call("CheckpointService.DiffCheckpoint", k.DiffCheckpointRequest(id=taken.id))
    assert changes(since) == [("one", h.CHANGE_KIND_CHANGED, 1, 2), ("two", h.CHANGE_KIND_ADDED, 0, 1)]
    restore = k.RestoreCheckpointRequest(id=taken.id, why="it was better", dry_run=True)
    dry = await team.call("CheckpointService.RestoreCheckpoint", restore, who="bob")
    restore.dry_run = False
    restore.expected_version = dry.committed.project_version
    done = await team.call("CheckpointService.RestoreCheckpoint", restore, who="bob")
    assert changes(done) == changes(dry)
    assert {name for name, *_ in changes(done)} == {"one", "two"}
    state = await team.state()
    assert {each.name: each.active_version for each in state.artifacts} == {"one": 3, "two": 0}
    listed = await team.call("CheckpointService.ListCheckpoints", k.ListCheckpointsRequest(project_id=team.project))
    assert list(listed.checkpoints) == [taken]
    assert (await team.call("CheckpointService.GetCheckpoint", k.GetCheckpointRequest(id=taken.id))).checkpoint == taken
    then = await team.state(at=common.Point(checkpoint_id=taken.id))
    assert (then.version, [each.name for each in then.artifacts]) == (taken.version, ["one"])
    form = await team.call(
        "HistoryService.GetStateForm",
        h.GetStateFormRequest(project_id=team.project, at=common.Point(checkpoint_id=taken.id)),
    )
    assert (form[0].head.version, form[0].head.sha256.hex()) == (taken.version, taken.state_digest)
    assert hashlib.sha256(b"".join(part.chunk for part in form[1:])).digest() == form[0].head.sha256


async def test_every_version_of_the_past_is_there_in_pages(team):
    for number in range(5):
        await team.make(f"a{number}")
        await team.call("WorkService.OpenTask", w.OpenTaskRequest(project_id=team.project, title=f"t{number}"))
    version = (await team.state()).version
    await team.make("later")
    at = common.Point(version=version)
    token, names = "", []
    while True:
        page = await team.state(at=at, page_size=3, page_token=token)
        assert page.version == version
        assert page.HasField("commit_time")
        names += [one.name for one in page.artifacts] + [one.title for one in page.tasks]
        token = page.next_page_token
        if not token:
            break
    assert names[:5] == [f"a{number}" for number in range(5)]
    assert sorted(names[5:]) == [f"t{number}" for number in range(5)]
    token, events = "", []
    while True:
        request = h.ListEventsRequest(project_id=team.project, page_size=4, page_token=token)
        page = await team.call("HistoryService.ListEvents", request)
        events += page.events
        token = page.next_page_token
        if not token:
            break
    assert [one.project_version for one in events] == list(range(1, len(events) + 1))
    assert all(one.receipt_id for one in events)


async def test_a_task_is_claimed_run_and_done(team):
    opened = (await team.call("WorkService.OpenTask", w.OpenTaskRequest(project_id=team.project, title="weed"))).task
    assert opened.state == w.TASK_STATE_OPEN
    claimed = (await team.call("WorkService.ClaimTask", w.ClaimTaskRequest(id=opened.id, lease_us=60_000_000))).task
    assert (claimed.holder, claimed.claims) == ("ann", 1)
    ended = await team.refused("WorkService.StartTask", w.StartTaskRequest(id=opened.id), who="bob")
    assert ended.code() is grpc.StatusCode.PERMISSION_DENIED
    await team.call("WorkService.StartTask", w.StartTaskRequest(id=opened.id))
    done = (await team.call("WorkService.CompleteTask", w.CompleteTaskRequest(id=opened.id))).task
    assert (await team.call("WorkService.GetTask", w.GetTaskRequest(id=opened.id))).task == done
    request = w.ListTasksRequest(project_id=team.project, state=w.TASK_STATE_DONE)
    assert [one.id for one in (await team.call("WorkService.ListTasks", request)).tasks] == [opened.id]


async def test_provenance_leads_both_ways(team):
    source = (await team.make("source")).artifact
    version = new("made")
    version.provenance.inputs.append(f"{source.id}@1")
    version.provenance.inputs.append(UNKNOWN)
    request = a.CreateArtifactRequest(project_id=team.project, version=version)
    made = (await team.call("ArtifactService.CreateArtifact", request)).artifact
    back = await team.call("ArtifactService.GetProvenance", a.GetProvenanceRequest(artifact_id=made.id, version=1))
    assert {(node.name, node.depth) for node in back.nodes} == {("made", 0), ("source", 1)}
    assert list(back.unknown) == [UNKNOWN]
    forth = await team.call(
        "ArtifactService.GetProvenance",
        a.GetProvenanceRequest(artifact_id=source.id, version=1, direction=a.PROVENANCE_DIRECTION_DERIVED),
    )
    assert {(node.name, node.depth) for node in forth.nodes} == {("source", 0), ("made", 1)}
    assert [edge.derived.artifact_id for edge in forth.edges] == [made.id]


async def test_who_watches_goes_on_behind_the_last_event(team):
    await team.make("one")
    call = team.live.start("ann", "WatchService.Watch", watch_pb2.WatchRequest(after_event_ids=[f"{team.project}@1"]))
    first = (await call.read()).event
    assert (first.project_version, first.name) == (2, "artifact.Drafted")
    await team.make("two")
    seen = [first]
    while len(seen) < 4:
        told = await call.read()
        if told.HasField("event"):
            seen.append(told.event)
    assert [one.project_version for one in seen] == [2, 3, 4, 5]
    call.cancel()


async def test_a_project_ends_with_all_that_is_in_it(team):
    one = (await team.make("one")).artifact
    archive = p.ArchiveProjectRequest(id=team.project, why="done")
    ended = await team.refused("ProjectService.ArchiveProject", archive)
    assert ended.code() is grpc.StatusCode.FAILED_PRECONDITION
    archive.cascade = True
    done = await team.call("ProjectService.ArchiveProject", archive)
    assert (done.project.state, list(done.ended)) == (p.PROJECT_STATE_ARCHIVED, [f"artifact {one.id}"])
