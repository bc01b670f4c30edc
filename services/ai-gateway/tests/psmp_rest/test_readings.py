"""What is read, at which point, and how it is paged and filtered."""

import hashlib
import re
from base64 import b64decode
from dataclasses import replace

import pytest

from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtTime, AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Wanted
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.blocking_report import Cause
from metaqore_governance_core.psmp.conflicts.model import Severity
from metaqore_governance_core.psmp.project import ProjectState
from metaqore_governance_core.psmp.work import WorkState

TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b97"
DOOR_TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b98"
ARTIFACT = artifact_id("org_1", "p1", "api")
CHECKPOINT = "checkpoint_" + "a" * 26
FIRST = Wanted("", 50)


async def read(client, path, **headers):
    answer = await client.get(f"/api/v1{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (
            "/projects?state=open&label=a=b&label=c=d=e&page_size=2&page_token=t",
            ("projects", (Wanted("t", 2),), {"state": ProjectState.OPEN, "labels": (("a", "b"), ("c", "d=e"))}),
        ),
        (
            "/artifacts?project_id=p1&phase=blocked&prefix=src/&at=7&label=a=b",
            (
                "artifacts",
                ("p1", FIRST),
                {"at": AtVersion(7), "phase": Phase.BLOCKED, "labels": (("a", "b"),), "prefix": "src/"},
            ),
        ),
        (
            "/artifacts",
            (
                "artifacts",
                ("", FIRST),
                {"at": None, "phase": None, "labels": (), "prefix": ""},
            ),
        ),
        (
            "/tasks?project_id=p1&state=running",
            (
                "tasks",
                ("p1", FIRST),
                {"at": None, "state": WorkState.RUNNING, "labels": ()},
            ),
        ),
        (
            "/tasks?label=team=web",
            (
                "tasks",
                ("", FIRST),
                {"at": None, "state": None, "labels": (("team", "web"),)},
            ),
        ),
        (
            "/tasks?state=open",
            (
                "tasks",
                ("", FIRST),
                {"at": None, "state": WorkState.OPEN, "labels": ()},
            ),
        ),
        (
            "/governance/conflicts?severity=blocking&type=path_same&type=npm_peers&artifact_id=a&ended=true",
            (
                "conflicts",
                (None, FIRST),
                {
                    "severity": Severity.BLOCKING,
                    "types": ("path_same", "npm_peers"),
                    "artifact": "a",
                    "ended": True,
                    "at": None,
                },
            ),
        ),
        (
            "/governance/blocking-report?cause=veto",
            (
                "report",
                ("", FIRST),
                {"cause": Cause.VETO, "at": None},
            ),
        ),
        (
            "/projects/p1/diff?from=3&to=9",
            (
                "diff",
                ("p1", AtVersion(3), AtVersion(9), FIRST),
                {},
            ),
        ),
        (
            "/projects/p1/diff?from=0",
            (
                "diff",
                ("p1", AtVersion(0), None, FIRST),
                {},
            ),
        ),
        (
            "/projects/p1/state?at=9",
            (
                "state_form",
                ("p1", AtVersion(9)),
                {},
            ),
        ),
        (
            f"/artifacts/{ARTIFACT}/provenance?version=2&direction=derived&depth=3",
            ("provenance", (ARTIFACT, 2, Direction.DERIVED, 3), {}),
        ),
        (
            "/checkpoints?project_id=p1",
            (
                "checkpoints",
                ("p1", FIRST),
                {},
            ),
        ),
        (
            f"/checkpoints/{CHECKPOINT}/diff",
            (
                "diff",
                ("p1", AtVersion(12), None, FIRST),
                {},
            ),
        ),
    ],
)
async def test_a_reading_is_asked_for_what_the_query_says(client, readings, path, asked):
    await read(client, path)
    assert readings.asked[-1] == asked


@pytest.mark.parametrize(
    ("at", "point"),
    [
        pytest.param("17", AtVersion(17), id="a version"),
        pytest.param("checkpoint:before", AtCheckpoint("before"), id="a checkpoint's name"),
        pytest.param(f"checkpoint:{CHECKPOINT}", AtVersion(12), id="its id"),
        pytest.param(CHECKPOINT, AtVersion(12), id="its id alone"),
        pytest.param("1970-01-01T00:00:01Z", AtTime(1_000_000), id="a time"),
        pytest.param("1970-01-01t02:00:00.0000019+02:00", AtTime(1), id="one elsewhere, cut to microseconds"),
        pytest.param("1960-01-01T00:00:00Z", AtTime(0), id="one before everything"),
    ],
)
async def test_a_point_is_a_version_a_checkpoint_or_a_time(client, readings, at, point):
    answer = await client.get("/api/v1/projects/p1", params={"at": at})
    assert answer.status_code == 200, answer.text
    assert readings.asked[-1] == ("project", ("p1", point), {})


@pytest.mark.parametrize(
    "at", ["yesterday", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T12:00:00", "checkpoint:", "-1", "9" * 20, "٣"]
)
async def test_what_is_no_point_is_refused(client, at):
    answer = await client.get("/api/v1/projects/p1", params={"at": at})
    assert (answer.status_code, answer.json()["code"]) == (400, "point_invalid")


async def test_a_checkpoint_of_another_project_is_none(client):
    for path in ("/projects/p2/state", f"/projects/p2/diff?from={CHECKPOINT}", "/artifacts?project_id=p2"):
        answer = await client.get(f"/api/v1{path}", params=None if "?from" in path else {"at": CHECKPOINT, "x": ""})
        assert answer.status_code in {400, 404}
    answer = await client.get("/api/v1/projects/p2/state", params={"at": CHECKPOINT})
    assert (answer.status_code, answer.json()["code"]) == (404, "checkpoint_not_found")


@pytest.mark.parametrize(
    ("path", "revision"),
    [
        ("/projects/p1", 3),
        (f"/tasks/{TASK}", 2),
        (f"/artifacts/{ARTIFACT}", 5),
        (f"/artifacts/{ARTIFACT}/versions/1", 5),
    ],
)
async def test_what_is_read_has_its_revision_as_tag_and_is_not_sent_to_who_has_it(client, path, revision):
    told = await read(client, path)
    tag = told.headers["etag"]
    assert re.fullmatch(rf'"{revision}\.[0-9a-f]{{16}}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await client.get(f"/api/v1{path}", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert not {"content-length", "content-type"} & again.headers.keys()
    for other in ('"other"', f'"{revision}"', ""):
        assert (await read(client, path, **{"if-none-match": other})).json() == told.json()


async def test_what_changes_beside_the_revision_changes_the_tag(client, readings):
    tag = (await read(client, "/projects/p1")).headers["etag"]
    known = await readings.project(None, "p1")

    async def later(*_):
        return replace(known, project_version=known.project_version + 1)

    readings.project = later
    told = await read(client, "/projects/p1", **{"if-none-match": tag})
    assert (told.json()["version"], told.headers["etag"] == tag) == (known.project_version + 1, False)


@pytest.mark.parametrize("path", ["/projects/p1", "/tasks", f"/artifacts/{ARTIFACT}/versions/1/content", "/nothing"])
async def test_a_head_is_answered_as_its_get_without_the_body(client, path):
    whole = await client.get(f"/api/v1{path}")
    bare = await client.head(f"/api/v1{path}")
    assert (bare.status_code, bare.content, bare.headers) == (whole.status_code, b"", whole.headers)


async def test_a_body_that_is_known_is_not_sent_again(client):
    path = f"/artifacts/{ARTIFACT}/versions/1/content"
    tag = (await read(client, path)).headers["etag"]
    for part in ("bytes=1-", "bytes=9-"):
        again = await client.get(f"/api/v1{path}", headers={"if-none-match": tag, "range": part})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


async def test_a_head_asks_for_no_range(client):
    path = f"/api/v1/artifacts/{ARTIFACT}/versions/1/content"
    for part in ("bytes=1-", "bytes=9-"):
        bare = await client.head(path, headers={"range": part})
        assert (bare.status_code, bare.headers["content-length"]) == (200, "3")


async def test_an_artifact_tells_all_of_its_newest_version(client, conflict):
    told = (await read(client, f"/artifacts/{ARTIFACT}")).json()
    latest = told["latest"]
    assert (told["name"], told["labels"], told["active_version"]) == ("api", {"team": "web"}, None)
    assert (latest["number"], latest["phase"], latest["content"]["digest"]) == (2, "proposed", "d" * 64)
    assert latest["declarations"]["renames"] == [{"from_path": "old.py", "to_path": "new.py"}]
    (one,) = latest["conflicts"]
    assert (one["id"], one["since_us"], one["chosen"]) == (conflict.id, 7, None)
    assert [party["artifact_id"] for party in one["parties"]] == [
        ARTIFACT,
        artifact_id("org_1", "p1", "model"),
    ]


async def test_versions_are_paged_newest_first(client):
    first = (await read(client, f"/artifacts/{ARTIFACT}/versions?page_size=1")).json()
    assert [one["number"] for one in first["versions"]] == [2]
    token = first["next_page_token"]
    second = (await read(client, f"/artifacts/{ARTIFACT}/versions?page_size=1&page_token={token}")).json()
    assert ([one["number"] for one in second["versions"]], second["next_page_token"]) == ([1], "")


async def test_events_are_paged_oldest_first(client):
    first = (await read(client, "/projects/p1/history?page_size=2")).json()
    assert [(one["id"], one["name"]) for one in first["events"]] == [
        ("p1@1", "artifact.Proposed"),
        ("p1@2", "artifact.Proposed"),
    ]
    second = (await read(client, f"/projects/p1/history?page_token={first['next_page_token']}")).json()
    assert ([one["version"] for one in second["events"]], second["next_page_token"]) == ([3], "")
    assert (await read(client, "/projects/p1/history?after=3")).json()["events"] == []


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (f"/artifacts/{ARTIFACT}/versions", "/projects/p1/history"),
        (f"/artifacts/{ARTIFACT}/versions", f"/artifacts/{artifact_id('org_1', 'p1', 'other')}/versions"),
        ("/projects/p1/history", "/projects/p2/history"),
    ],
)
async def test_the_token_of_another_list_is_refused(client, path, other):
    token = (await read(client, f"{path}?page_size=1")).json()["next_page_token"]
    answer = await client.get(f"/api/v1{other}?page_token={token}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_page_token")


@pytest.mark.parametrize("path", [f"/artifacts/{ARTIFACT}/versions", "/projects/p1/history", "/tasks"])
async def test_a_made_up_token_is_refused(client, path):
    for token in ("zzz", "é", "OTk5OTk5OTk5OTk5OTk5OTk5OQ"):
        answer = await client.get(f"/api/v1{path}", params={"page_token": token})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_page_token")


async def test_the_state_of_then_is_the_same_bytes(client):
    answer = await read(client, "/projects/p1/state?at=17")
    assert answer.content == b'{"artifacts":[]}'
    assert answer.headers["x-metaqore-project-version"] == "17"
    digest = answer.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")
    assert b64decode(digest) == hashlib.sha256(answer.content).digest()


async def test_a_conflict_tells_where_it_stands_and_since_when(client):
    told = (await read(client, "/governance/conflicts/conflict_1")).json()
    assert (told["artifact_id"], told["version"], told["since_us"], told["ended_us"]) == (ARTIFACT, 2, 7, 11)
    assert (told["type"], told["severity"], told["project_id"]) == ("python_versions", "blocking", "p1")


async def test_the_report_tells_who_can_unblock_with_which_command(client):
    told = (await read(client, "/governance/blocking-report")).json()
    assert told["total"] == 1
    assert told["items"][0]["ways_out"] == [{"command": "metaqore artifact activate", "who": "anybody but alice"}]


async def test_provenance_is_a_graph(client):
    told = (await read(client, f"/artifacts/{ARTIFACT}/provenance")).json()
    assert [(one["artifact_id"], one["version"], one["depth"]) for one in told["nodes"]] == [(ARTIFACT, 2, 0)]
    assert told["edges"] == [{"made": f"{ARTIFACT}@2", "source": f"{ARTIFACT}@1", "relation": "parent"}]
    assert (told["unknown"], told["cut"]) == (["artifact_x@1"], False)


async def test_tasks_that_came_through_a_door_are_shown_as_before(client, readings):
    (told,) = (await read(client, "/tasks")).json()["tasks"]
    assert (told["id"], told["door"], told["prompt_tokens"], told["claims"]) == (DOOR_TASK, "rest", 1, None)
    assert readings.asked == []
    one = (await read(client, f"/tasks/{DOOR_TASK}")).json()
    assert one == told
    assert readings.asked == [("task", (DOOR_TASK, None), {})]


async def test_a_task_that_waits_is_shown_as_its_project_has_it(client):
    told = (await read(client, f"/tasks/{TASK}")).json()
    assert (told["state"], told["title"], told["project"], told["claims"]) == ("open", "Write it", "p1", 0)
    assert (told["door"], told["attempts"], told["ended_us"]) == (None, 0, None)


async def test_a_key_without_psmp_reads_the_tasks_of_doors_alone(client, readings):
    told = (await read(client, f"/tasks/{DOOR_TASK}", authorization="Bearer reader")).json()
    assert told["door"] == "rest"
    assert readings.asked == []
    refused = await client.get(f"/api/v1/tasks/{DOOR_TASK}", headers={"authorization": "Bearer auditor"})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/projects/none", "project_not_found"),
        ("/artifacts/none", "artifact_not_found"),
        (f"/artifacts/{ARTIFACT}/versions/3", "version_not_found"),
        ("/tasks/none", "task_not_found"),
        ("/checkpoints/none", "checkpoint_not_found"),
        ("/governance/conflicts/none", "conflict_not_found"),
    ],
)
async def test_what_is_not_there_is_404(client, path, code):
    answer = await client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, code)
