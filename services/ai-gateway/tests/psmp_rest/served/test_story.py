"""What people do with the REST door, on the real store."""

import hashlib
import secrets
import time
from datetime import UTC, datetime

import pytest

API = "/api/v1"


def offer(client, project, name, *needs, path=None, **more):
    body = {
        "project_id": project,
        "name": name,
        "content_text": f"# {name}\n{more.pop('text', '')}",
        "declarations": {
            "paths": [path or name],
            "dependencies": [
                {"ecosystem": "python", "name": need.rstrip("<>=.0123456789"), "text": need} for need in needs
            ],
        },
        **more,
    }
    return client.post(f"{API}/artifacts", json=body)


def done(answer, status=200):
    assert answer.status_code == status, answer.text
    assert answer.headers["x-metaqore-receipt-id"]
    return answer.json()


def stand(by, other, project, name, *needs, **more):
    made = done(offer(by, project, name, *needs, **more), 201)
    done(other.post(f"{API}/artifacts/{made['id']}/activate", json={}))
    return made["id"]


def test_two_that_clash_are_stopped_and_a_third_is_not(ann, bob, project):
    done(offer(ann, project, "api.py", "numpy<2"), 201)
    blocked = done(offer(bob, project, "model.py", "numpy>=2"), 201)
    assert blocked["version"]["phase"] == "blocked"
    (conflict,) = blocked["conflicts"]
    assert {party["by"] for party in conflict["clashing"]} == {"ann", "bob"}
    assert done(offer(bob, project, "plot.py", "numpy>=1.20"), 201)["version"]["phase"] == "proposed"

    refused = offer(bob, project, "other.py", "numpy>=2.1", refuse_blocked=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "artifact_blocked")
    assert refused.json()["conflicts"]
    assert refused.headers["x-metaqore-receipt-id"]

    at = f"{API}/artifacts/{blocked['id']}"
    refused = ann.post(f"{at}/activate", json={"version": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "artifact_blocked")
    assert refused.json()["conflicts"][0]["id"] == conflict["id"]
    assert refused.json()["ways_out"]

    listed = ann.get(f"{API}/governance/conflicts", params={"project_id": project, "severity": "blocking"}).json()
    assert conflict["id"] in {one["id"] for one in listed["conflicts"]}
    report = ann.get(f"{API}/governance/blocking-report", params={"project_id": project}).json()
    assert report["total"] == len(report["items"]) == 3
    resolve = f"{API}/governance/conflicts/{conflict['id']}/resolve"
    told = done(bob.post(resolve, json={"choice": "keep_existing", "why": "mine can wait", "dry_run": True}))
    assert [step["verb"] for step in told["steps"]] == ["reject"]
    assert ann.get(at).json()["latest"]["phase"] == "blocked"
    done(bob.post(resolve, json={"choice": "keep_existing", "why": "mine can wait"}))
    assert ann.get(at).json()["latest"]["phase"] == "rejected"
    assert ann.get(f"{API}/governance/conflicts/{conflict['id']}").json()["ended_us"]


def test_forty_files_at_once_are_all_or_none(ann, bob, project):
    def files(count, path="{}.py"):
        return [
            {"created": {"name": f"f{n}.py", "content_text": f"x = {n}", "declarations": {"paths": [path.format(n)]}}}
            for n in range(count)
        ]

    dry = done(
        ann.post(f"{API}/artifacts/batch", json={"project_id": project, "proposals": files(40), "dry_run": True})
    )
    assert (len(dry["artifacts"]), dry["dry_run"]) == (40, True)
    listing = {"project_id": project}
    assert ann.get(f"{API}/artifacts", params=listing).json()["artifacts"] == []
    clash = {"project_id": project, "proposals": files(40, "same.py"), "refuse_blocked": True}
    refused = ann.post(f"{API}/artifacts/batch", json=clash)
    assert (refused.status_code, refused.json()["code"]) == (409, "artifact_blocked")
    assert ann.get(f"{API}/artifacts", params=listing).json()["artifacts"] == []
    assert len(done(ann.post(f"{API}/artifacts/batch", json=listing | {"proposals": files(40)}))["artifacts"]) == 40
    names, token = [], ""
    while True:
        page = bob.get(f"{API}/artifacts", params=listing | {"page_size": 7, "page_token": token}).json()
        names += [one["name"] for one in page["artifacts"]]
        token = page["next_page_token"]
        if not token:
            break
    assert names == sorted(f"f{n}.py" for n in range(40))


def test_a_change_that_has_not_seen_another_is_stopped(ann, bob, project):
    made = offer(ann, project, "a.py", draft=True)
    at, tag = made.headers["location"], made.headers["etag"]
    assert ann.get(at).headers["etag"].startswith(tag.removesuffix('"') + ".")
    done(bob.patch(at, json={"description": "first"}, headers={"if-match": tag}))
    stale = ann.patch(at, json={"description": "second"}, headers={"if-match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    stale = ann.post(f"{at}/propose", json={"expected_version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "version_stale")
    amended = done(ann.patch(at, json={"declarations": {"paths": ["b.py"]}}, headers={"if-match": "*"}))
    assert (amended["description"], amended["latest"]["declarations"]["paths"]) == ("first", ["b.py"])
    done(ann.post(f"{at}/propose", json={}))
    late = ann.patch(at, json={"declarations": {}}, headers={"if-match": "*"})
    assert (late.status_code, late.json()["code"]) == (409, "wrong_phase")


def test_a_repeated_key_is_answered_the_same(ann, project):
    key = {"idempotency-key": "k-1"}
    body = {"project_id": project, "name": "a.py", "content_text": "x"}
    first = ann.post(f"{API}/artifacts", json=body, headers=key)
    again = ann.post(f"{API}/artifacts", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["x-metaqore-receipt"] == first.headers["x-metaqore-receipt"]
    other = ann.post(f"{API}/artifacts", json=body | {"name": "b.py"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_body_differs")


def test_the_time_of_an_event_is_a_point_that_holds_it(ann, project):
    done(offer(ann, project, "a.py"), 201)
    *_, last = ann.get(f"{API}/projects/{project}/history").json()["events"]
    then = datetime.fromtimestamp(last["time_us"] / 1e6, UTC).isoformat(timespec="microseconds")
    state = ann.get(f"{API}/projects/{project}/state", params={"at": then})
    assert state.headers["x-metaqore-project-version"] == str(last["version"])


def test_a_repeat_that_names_no_version_is_of_the_first_ones(ann, bob, project):
    at = offer(ann, project, "a.py", draft=True).headers["location"]

    def repeated(step, who=ann, **body):
        return who.post(f"{at}/{step}", json=body, headers={"idempotency-key": f"k-{step}"})

    proposed = repeated("propose")
    assert done(offer(bob, project, "a.py", draft=True), 201)["version"]["number"] == 2
    assert done(repeated("propose")) == done(proposed)
    named = repeated("propose", version=1)
    assert (named.status_code, named.json()["code"]) == (422, "idempotency_body_differs")

    done(bob.post(f"{at}/withdraw", json={}))
    done(bob.post(f"{at}/activate", json={"version": 1}))
    third = done(offer(bob, project, "a.py", provenance={"parents": [f"{at.rpartition('/')[2]}@1"]}), 201)["version"]
    assert (third["number"], third["phase"]) == (3, "proposed")
    activated = repeated("activate", ann)
    fourth = offer(ann, project, "a.py", draft=True).headers["location"]
    assert done(repeated("activate", ann)) == done(activated)
    assert activated.json()["version"] | {"number": 3, "phase": "active"} == activated.json()["version"]

    key = {"idempotency-key": "k-amend", "if-match": "*"}
    amended = ann.patch(fourth, json={"declarations": {"paths": ["b.py"]}}, headers=key)
    done(offer(bob, project, "a.py", draft=True), 201)
    again = ann.patch(fourth, json={"declarations": {"paths": ["b.py"]}}, headers=key)
    assert done(again) == done(amended)
    assert again.headers["x-metaqore-receipt"] == amended.headers["x-metaqore-receipt"]


def test_a_body_goes_in_and_out_and_can_be_erased(ann, eve, project):
    text = b"print('hello')\n" * 5000
    kept = ann.put(f"{API}/contents", content=text, headers={"content-type": "text/x-python"})
    digest = done(kept, 201)["digest"]
    body = {"project_id": project, "name": "a.py", "content_digest": digest, "media_type": "text/x-python"}
    made = done(ann.post(f"{API}/artifacts", json=body), 201)
    at = f"{API}/artifacts/{made['id']}"
    read = ann.get(f"{at}/versions/1/content")
    assert (read.content, read.headers["content-type"]) == (text, "text/x-python")
    done(ann.put(f"{at}/versions/2/content", content=b"print(2)\n", headers={"content-type": "text/x-python"}), 201)
    assert ann.get(f"{at}/versions/2/content").content == b"print(2)\n"
    assert [one["phase"] for one in ann.get(f"{at}/versions").json()["versions"]] == ["draft", "proposed"]
    refused = ann.post(f"{at}/erase", json={"version": 1, "why": "a person asked"})
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert done(eve.post(f"{at}/erase", json={"version": 1, "why": "a person asked"}))["version"]["erased"]
    gone = ann.get(f"{at}/versions/1/content")
    assert (gone.status_code, gone.json()["code"]) == (409, "body_erased")
    assert ann.get(f"{at}/versions/1").json()["content"]["digest"] == digest


def test_the_past_is_there_and_can_be_restored(ann, bob, project):
    kept = stand(ann, bob, project, "a.py", text="one")
    taken = done(ann.post(f"{API}/checkpoints", json={"project_id": project, "name": "before"}), 201)
    then = ann.get(f"{API}/projects/{project}/state", params={"at": taken["id"]}).content
    assert hashlib.sha256(then).hexdigest() == taken["state_digest"]
    stand(ann, bob, project, "a.py", text="two")
    late = stand(ann, bob, project, "late.py")
    for at in (str(taken["version"]), taken["id"], "checkpoint:before", f"checkpoint:{taken['id']}"):
        assert ann.get(f"{API}/projects/{project}/state", params={"at": at}).content == then
        assert ann.get(f"{API}/artifacts/{kept}", params={"at": at}).json()["active_version"] == 1
        early = ann.get(f"{API}/artifacts/{late}", params={"at": at})
        assert (early.status_code, early.json()["code"]) == (404, "artifact_not_found")
        assert "did not exist yet" in early.json()["detail"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    assert ann.get(f"{API}/artifacts/{kept}", params={"at": now}).json()["active_version"] == 2
    before = ann.get(f"{API}/projects/{project}", params={"at": "0"})
    assert (before.json()["code"], "did not exist yet" in before.json()["detail"]) == ("project_not_found", True)
    changes = ann.get(f"{API}/checkpoints/{taken['id']}/diff").json()["changes"]
    assert {(one["name"], one["kind"]) for one in changes} >= {("a.py", "changed"), ("late.py", "added")}
    events = ann.get(f"{API}/projects/{project}/history").json()["events"]
    assert [one["version"] for one in events] == list(range(1, len(events) + 1))
    assert {"project.ProjectCreated", "artifact.Activated"} <= {one["name"] for one in events}

    restore = f"{API}/checkpoints/{taken['id']}/restore"
    own = ann.post(restore, json={"why": "it was better"})
    assert (own.status_code, own.json()["code"]) == (403, "own_proposal")
    dry = done(bob.post(restore, json={"why": "it was better", "dry_run": True}))
    assert {one["name"] for one in dry["differences"]} == {"a.py", "late.py"}
    stale = bob.post(restore, json={"why": "it was better", "expected_version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "version_stale")
    done(bob.post(restore, json={"why": "it was better"}))
    again = ann.get(f"{API}/artifacts/{kept}").json()
    assert again["active_version"] == 3
    assert ann.get(f"{API}/artifacts/{kept}/versions/3/content").text == "# a.py\none"
    assert ann.get(f"{API}/artifacts/{late}").json()["active_version"] is None
    graph = ann.get(f"{API}/artifacts/{kept}/provenance", params={"version": 3, "depth": 3}).json()
    assert graph["nodes"][0]["artifact_id"] == kept


def test_a_task_waits_is_claimed_and_ends(ann, bob, project):
    made = done(ann.post(f"{API}/tasks", json={"project_id": project, "title": "Write the importer"}), 201)
    at = f"{API}/tasks/{made['id']}"
    assert bob.get(at).json()["state"] == "open"
    assert [one["id"] for one in bob.get(f"{API}/tasks", params={"project_id": project}).json()["tasks"]] == [
        made["id"]
    ]
    edit = {"title": "Write the CSV importer", "description": "Quotes, too.", "labels": {"team": "web"}}
    told = done(ann.patch(at, json=edit, headers={"if-match": '"1"'}))
    assert {name: told[name] for name in edit} == edit
    assert (told["revision"], bob.get(at).headers["etag"].partition(".")[0]) == (2, '"2')
    assert ann.patch(at, json=edit, headers={"if-match": '"1"'}).status_code == 412
    assert ann.patch(at, json=edit).status_code == 428
    version = ann.get(f"{API}/projects/{project}").json()["version"]
    assert bob.get(at, params={"at": str(version - 1)}).json()["title"] == "Write the importer"
    done(bob.post(f"{at}/claim", json={"lease_us": 60_000_000}))
    held = ann.patch(at, json={"title": "Something else"}, headers={"if-match": "*"})
    assert (held.status_code, held.json()["code"]) == (409, "task_held")
    relabelled = done(ann.patch(at, json={"labels": {}}, headers={"if-match": "*"}))
    assert (relabelled["labels"], relabelled["title"], relabelled["holder"]) == ({}, edit["title"], "bob")
    taken = ann.post(f"{at}/claim", json={"lease_us": 1})
    assert (taken.status_code, taken.json()["code"]) == (409, "task_claimed")
    assert ann.post(f"{at}/release").status_code == 403
    done(bob.post(f"{at}/start"))
    assert done(bob.post(f"{at}/complete"))["state"] == "done"
    assert ann.delete(at, headers={"if-match": "*"}).json()["code"] == "task_ended"
    labelled = {"project_id": project, "title": "Another", "labels": {"team": "web"}}
    other = done(ann.post(f"{API}/tasks", json=labelled), 201)
    assert (other["labels"], other["revision"]) == ({"team": "web"}, 2)
    for label, found in (("team=web", [other["id"]]), ("team=data", [])):
        listed = ann.get(f"{API}/tasks", params={"project_id": project, "label": label}).json()
        assert [one["id"] for one in listed["tasks"]] == found
    ended = ann.delete(f"{API}/tasks/{other['id']}", headers={"if-match": '"2"'})
    assert done(ended)["state"] == "cancelled"


def test_a_mode_and_a_policy_open_what_they_say(ann, eve, project):
    own = done(offer(ann, project, "a.py"), 201)
    at = f"{API}/artifacts/{own['id']}"
    assert ann.post(f"{at}/activate").json()["code"] == "own_proposal"
    assert ann.post(f"{at}/activate", json={"own": True, "why": "alone"}).json()["code"] == "mode_strict"
    mode = {"mode": "flexible", "why": "a spike"}
    assert ann.post(f"{API}/projects/{project}/mode", json=mode).json()["code"] == "missing_scope"
    assert done(eve.post(f"{API}/projects/{project}/mode", json=mode))["mode"] == "flexible"
    policy = {"approvals": [{"role": "reviewer", "count": 1}], "veto_roles": ["security"]}
    done(eve.post(f"{API}/projects/{project}/policy", json={"policy": policy, "why": "care"}))
    assert ann.post(f"{at}/activate", json={"own": True, "why": "alone"}).json()["code"] == "approvals_missing"
    done(eve.post(f"{at}/approve", json={"role": "reviewer"}))
    done(eve.post(f"{at}/veto", json={"why": "not yet"}))
    assert ann.post(f"{at}/activate", json={"own": True, "why": "alone"}).json()["code"] == "vetoed"
    done(eve.post(f"{at}/lift-veto", json={"why": "now"}))
    assert done(ann.post(f"{at}/activate", json={"own": True, "why": "alone"}))["active_version"] == 1
    done(ann.post(f"{at}/deprecate", json={"version": 1, "why": "old"}))
    assert done(ann.post(f"{at}/archive", json={"version": 1, "why": "old"}))["latest"]["phase"] == "archived"


def test_nothing_is_removed(ann, bob, eve, project):
    artifact = stand(ann, bob, project, "a.py")
    at = f"{API}/projects/{project}"
    tag = ann.get(at).headers["etag"]
    unscoped = ann.delete(at, headers={"if-match": tag})
    assert (unscoped.status_code, unscoped.json()["code"]) == (403, "missing_scope")
    refused = eve.delete(at, headers={"if-match": tag})
    assert (refused.status_code, refused.json()["code"]) == (409, "project_not_empty")
    dry = done(eve.delete(at, params={"cascade": "true", "dry_run": "true"}, headers={"if-match": tag}))
    assert dry["ended"] == [f"artifact {artifact}"]
    assert ann.get(at).json()["state"] == "open"
    ended = done(eve.delete(at, params={"cascade": "true", "why": "over"}, headers={"if-match": tag}))
    assert (ended["state"], ended["ended"]) == ("archived", [f"artifact {artifact}"])
    assert ann.get(f"{API}/artifacts/{artifact}").json()["latest"]["phase"] == "archived"
    assert ann.get(f"{API}/artifacts/{artifact}/versions/1/content").status_code == 200
    frozen = offer(ann, project, "b.py")
    assert (frozen.status_code, frozen.json()["code"]) == (409, "project_archived")


def test_a_frozen_project_does_not_change(ann, eve, project):
    done(eve.post(f"{API}/projects/{project}/freeze", json={"why": "release"}))
    refused = offer(ann, project, "a.py")
    assert (refused.status_code, refused.json()["code"]) == (409, "project_frozen")
    assert ann.post(f"{API}/projects/{project}/unfreeze", json={"why": "go"}).json()["code"] == "missing_scope"
    assert done(eve.post(f"{API}/projects/{project}/unfreeze", json={"why": "done"}))["state"] == "open"


def test_another_organization_finds_nothing(ann, bob, mallory, project):
    artifact = stand(ann, bob, project, "a.py")
    task = done(ann.post(f"{API}/tasks", json={"project_id": project, "title": "t"}), 201)["id"]
    point = done(ann.post(f"{API}/checkpoints", json={"project_id": project, "name": "c"}), 201)["id"]
    reads = [
        f"projects/{project}",
        f"projects/{project}/history",
        f"projects/{project}/state",
        f"projects/{project}/diff?from=0",
        f"artifacts?project_id={project}",
        f"artifacts/{artifact}",
        f"artifacts/{artifact}/versions",
        f"artifacts/{artifact}/versions/1",
        f"artifacts/{artifact}/versions/1/content",
        f"artifacts/{artifact}/provenance",
        f"tasks/{task}",
        f"tasks?project_id={project}",
        f"checkpoints?project_id={project}",
        f"checkpoints/{point}",
        f"checkpoints/{point}/diff",
        f"governance/conflicts?project_id={project}",
        f"governance/blocking-report?project_id={project}",
    ]
    for path in reads:
        assert ann.get(f"{API}/{path}").status_code == 200, path
        answer = mallory.get(f"{API}/{path}")
        assert answer.status_code == 404 or not any(v for v in answer.json().values() if v), (path, answer.text)
    steps = [
        (f"artifacts/{artifact}/deprecate", {"version": 1, "why": "w"}),
        (f"artifacts/{artifact}/erase", {"version": 1, "why": "w"}),
        (f"projects/{project}/freeze", {"why": "w"}),
        (f"tasks/{task}/claim", {"lease_us": 1}),
        (f"checkpoints/{point}/restore", {"why": "w"}),
        ("artifacts", {"project_id": project, "name": "x", "content_text": ""}),
        ("tasks", {"project_id": project, "title": "x"}),
        ("checkpoints", {"project_id": project, "name": "x"}),
    ]
    for path, body in steps:
        assert mallory.post(f"{API}/{path}", json=body).status_code == 404, path
    assert "acme" not in mallory.get(f"{API}/projects").text


@pytest.mark.parametrize("path", ["projects", "tasks", "artifacts"])
def test_who_may_only_read_changes_nothing(served, project, path):
    with served.client("reader") as reader:
        body = (
            {"name": "x", "content_text": ""}
            if path == "artifacts"
            else {"title": "x"}
            if path == "tasks"
            else {"name": "x"}
        )
        refused = reader.post(f"{API}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert reader.get(f"{API}/projects/{project}").status_code == 200


def test_what_names_no_project_is_in_the_default_one(ann):
    made = done(ann.post(f"{API}/artifacts", json={"name": "anywhere.md", "content_text": "hi"}), 201)
    assert made["project_id"] == "default"
    assert ann.get(f"{API}/projects/default").status_code == 200


def test_a_credential_is_denied_on_record(ann, project):
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    denied = offer(
        ann,
        project,
        "a.py",
        text=f"aws_access_key_id = {secret}\naws_secret_access_key = {'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'}",
    )
    if denied.status_code != 201:
        assert (denied.status_code, denied.json()["state"]) == (403, "denied")
        assert denied.headers["x-metaqore-receipt-id"]
    assert secret not in denied.text


def test_a_webhook_is_made_once_under_its_key(ann, eve):
    asked = {"url": f"https://ci.example.com/{secrets.token_hex(6)}", "names": ["artifact.Activated"]}
    key = {"idempotency-key": secrets.token_hex(8)}
    first = ann.post(f"{API}/webhooks", json=asked, headers=key)
    again = ann.post(f"{API}/webhooks", json=asked, headers=key)
    assert done(first, 201) == done(again, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-metaqore-receipt"] == first.headers["x-metaqore-receipt"]
    other = ann.post(f"{API}/webhooks", json=asked | {"names": []}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_body_differs")
    assert eve.post(f"{API}/webhooks", json=asked, headers=key).json()["id"] != first.json()["id"]
    listed = ann.get(f"{API}/webhooks", params={"page_size": 1000}).json()["webhooks"]
    assert len([one for one in listed if one["url"] == asked["url"]]) == 2
    replay = {"after_event_id": "default@0"}
    answers = [ann.post(f"{API}/webhooks/{first.json()['id']}/replay", json=replay, headers=key) for _ in range(2)]
    assert [done(one, 202)["count"] for one in answers] == [0, 0]
