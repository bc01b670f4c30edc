"""All that the API describes is called, well and badly: it answers as it says, and never with a fault of ours."""

import secrets

import pytest
import schemathesis
from schemathesis.engine import events, from_schema
from schemathesis.engine.run import PhaseName

pytestmark = pytest.mark.slow

API = "/api/v1"
LONGEST_S = 45

# A command may be refused for what it meets, however well it is formed, and what one call has made another may end.
NOT_ASKED = ("positive_data_acceptance", "use_after_free", "ensure_resource_availability")
# 412, 413 and 428 refuse what is sent, too.
REFUSED = [400, 401, 403, 404, 405, 409, 412, 413, 415, 416, 422, 428]
# The lines of a request above 64 KiB never reach the API: the server itself refuses them, not with problem details.
TOO_LONG = {(400, "application/json"), (431, "application/json")}


@pytest.fixture
def seeded(served):
    """One of each, for most calls to find."""
    with served.client("ann") as ann, served.client("bob") as bob:

        def made(client, path, **body):
            answer = client.post(f"{API}/{path}", json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()["id"]

        project = made(ann, "projects", name=secrets.token_hex(6))
        names = [made(ann, "artifacts", project_id=project, name=f"{n}.py", content_text="x = 1") for n in range(6)]
        for one in names[:3]:
            assert bob.post(f"{API}/artifacts/{one}/activate").status_code == 200
        same = {"paths": ["same.py"]}
        for client, name in ((ann, "one"), (bob, "other")):
            made(client, "artifacts", project_id=project, name=name, content_text=name, declarations=same)
        found = ann.get(f"{API}/governance/conflicts", params={"project_id": project}).json()["conflicts"]
        return {
            "project_id": [project, "default"],
            "artifact_id": names,
            "task_id": [made(ann, "tasks", project_id=project, title=f"Task {n}") for n in range(3)],
            "checkpoint_id": [made(ann, "checkpoints", project_id=project, name=f"c{n}") for n in range(2)],
            "conflict_id": [one["id"] for one in found],
            "number": [1, 2],
            "If-Match": ["*", '"1"', '"2"'],
        }


@pytest.fixture
def schema(served, seeded):
    config = schemathesis.Config.from_dict(
        {
            "max-time": LONGEST_S,
            "seed": 4,
            "headers": {"Authorization": "Bearer eve"},
            "dictionaries": {name.lower(): {"values": values} for name, values in seeded.items()},
            "parameters": {name: {"dictionary": name.lower(), "probability": 0.7} for name in seeded},
            "generation": {"max-examples": 12, "no-shrink": True, "deterministic": True, "database": "none"},
            "checks": {name: {"enabled": False} for name in NOT_ASKED}
            | {name: {"expected-statuses": REFUSED} for name in ("missing_required_header", "negative_data_rejection")},
        }
    )
    made = schemathesis.openapi.from_url(f"{served.url}/openapi.json", config=config)
    return made.include(path_regex=f"^{API}/")


def test_all_that_the_api_describes_is_called(schema):
    called, failed = set(), []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            called.add(event.recorder.label)
            failed += failures_in(event.recorder)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failed.append(str(event))
        elif isinstance(event, events.PhaseFinished) and event.phase.name is PhaseName.STATEFUL_TESTING:
            break  # once each: it would go on with other data until its time is over
    assert not failed, "\n\n".join(failed[:20])
    described = {operation.ok().label for operation in schema.get_all_operations()}
    assert described <= called


def failures_in(recorder):
    for id_, checks in recorder.checks.items():
        interaction = recorder.interactions.get(id_)
        answer = None if interaction is None else interaction.response
        told = (None, None) if answer is None else (answer.status_code, *answer.headers.get("content-type", [None])[:1])
        for check in checks:
            if check.failure_info is not None and told not in TOO_LONG:
                info = check.failure_info
                yield f"{recorder.label} {check.name} {told}: {info.failure}\n{info.code_sample}"
