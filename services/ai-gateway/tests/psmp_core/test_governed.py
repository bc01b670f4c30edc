"""A command is decided and recorded before it has any effect; what is refused is on record, too."""

from dataclasses import replace

import pytest

from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.receipts import parse_token


async def test_a_command_leaves_a_record_that_its_receipt_names(world):
    answer = await world.propose("ann", "app.py", text="print(1)")
    record = (await world.records())[-1]
    assert record["kind"] == "command"
    assert (record["tool"], record["verb"], record["verdict"]) == ("psmp.artifact", "propose", "permit")
    assert record["receipt"] == answer.receipt == parse_token(answer.receipt_token).id
    assert record["target"] == [f"artifact:{answer.changed[0].id}"]
    assert "print(1)" not in str(record)
    assert record["body"] == _commitment(world, b"raw")


async def test_what_policy_forbids_is_recorded_and_not_done(world):
    refused = await world.refused("forbidden", "artifact.propose", proposals=[{"created": _app("a")}])
    assert (refused.state, refused.code, refused.kind) == ("denied", "allowpath_forbidden", ErrorKind.FORBIDDEN)
    record = (await world.records())[-1]
    assert (record["verdict"], record["receipt"]) == ("deny", refused.receipt)
    assert await _events(world) == ["project.ProjectCreated"]


async def test_a_credential_in_a_body_is_denied_and_kept_nowhere(world):
    secret = "AKIAQ3EGRZYXN5PMK7VW"
    refused = await world.refused("ann", "artifact.propose", proposals=[{"created": _app("a", f"key = '{secret}'")}])
    assert refused.code == "credential_in_prompt"
    assert (await world.records())[-1]["findings"] == {"credential.aws_access_key": 1}
    assert await world.texts() == 0
    assert secret not in str(await world.records())


async def test_a_credential_in_base64_is_found(world):
    wanted = {"artifact_name": "a", "content_base64": "QUtJQVEzRUdSWllYTjVQTUs3Vlc="}
    refused = await world.refused("ann", "artifact.propose", proposals=[{"created": wanted}])
    assert refused.code == "credential_in_prompt"


@pytest.mark.parametrize("text", ["x", "eA", "eA=", "eHh4eA=", "="])
async def test_what_is_no_base64_is_refused_and_on_record(world, text):
    wanted = {"artifact_name": "a", "content_base64": text}
    refused = await world.refused("ann", "artifact.propose", proposals=[{"created": wanted}])
    assert (refused.state, refused.code, refused.kind) == ("refused", "content_invalid", ErrorKind.INVALID)
    assert (await world.records())[-1]["receipt"] == refused.receipt


async def test_of_several_files_those_with_a_credential_are_named_and_a_name_that_is_one_is_not(world):
    secret = "AKIAQ3EGRZYXN5PMK7VW"
    files = [_app("good.py", "x"), _app("bad.py", f"key = '{secret}'"), _app(f"{secret}.py", "x")]
    refused = await world.refused("ann", "artifact.propose", proposals=[{"created": one} for one in files])
    assert (refused.state, refused.code, refused.kind) == ("denied", "credential_in_prompt", ErrorKind.FORBIDDEN)
    assert "in bad.py. " in refused.message
    assert (await world.records())[-1]["receipt"] == refused.receipt


async def test_the_sensitivity_of_a_version_is_at_least_what_was_found(world):
    wanted = _app("a", "write to ann@example.com") | {"declarations": {"sensitivity": "PUBLIC"}}
    answer = await world.do("ann", "artifact.propose", proposals=[{"created": wanted}])
    assert answer.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"


async def test_what_a_labelled_project_holds_is_as_sensitive_as_its_label(world):
    project = (await world.do("ann", "project.create", project_name="payroll")).project
    wanted = _app("a", "hello") | {"declarations": {"sensitivity": "PUBLIC"}}
    answer = await world.do("ann", "artifact.propose", project=project, proposals=[{"created": wanted}])
    assert answer.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"
    assert (await world.records())[-1]["sensitivity_sources"] == ["caller:PUBLIC", "project:SENSITIVE"]


@pytest.mark.parametrize(
    ("who", "command", "fields", "scope"),
    [
        ("reader", "task.open", {"title": "t"}, "psmp:write"),
        ("reader", "artifact.activate", {"artifact": "artifact_a", "version": 1}, "psmp:write"),
        ("carl", "project.set_mode", {"mode": "flexible", "why": "w"}, "psmp:mode"),
        ("carl", "project.create", {"project_name": "x", "mode": "flexible"}, "psmp:mode"),
        ("carl", "project.create", {"project_name": "x", "policy": {"may_activate_own": True}}, "psmp:mode"),
        ("carl", "project.set_policy", {"policy": {}, "why": "w"}, "psmp:mode"),
        ("carl", "project.freeze", {"why": "w"}, "psmp:mode"),
        ("carl", "project.unfreeze", {"why": "w"}, "psmp:mode"),
        ("carl", "project.archive", {"why": "w"}, "psmp:mode"),
        ("carl", "project.archive", {"why": "w", "cascade": True}, "psmp:mode"),
        ("carl", "artifact.erase_body", {"artifact": "artifact_a", "version": 1, "why": "w"}, "psmp:erase"),
    ],
)
async def test_a_missing_scope_is_a_denial_on_record(world, who, command, fields, scope):
    refused = await world.refused(who, command, **fields)
    assert (refused.state, refused.code, refused.kind) == ("denied", "missing_scope", ErrorKind.FORBIDDEN)
    assert refused.reasons == (scope,)
    record = (await world.records())[-1]
    assert (record["verdict"], record["reasons"][0], record["receipt"]) == ("deny", "missing_scope", refused.receipt)
    assert f"{record['tool']}.{record['verb']}" == f"psmp.{command}"
    assert refused.receipt == parse_token(refused.receipt_token).id
    assert await _events(world) == ["project.ProjectCreated"]


async def test_the_record_of_a_missing_scope_names_what_the_command_was_for(world):
    own = (await world.propose("ann", "a")).changed[0].id
    await world.refused("reader", "artifact.activate", artifact=own, version=1)
    record = (await world.records())[-1]
    assert (record["target"], record["project"]) == ([f"artifact:{own}"], world.project)


async def test_an_upload_without_the_scope_is_denied_on_record_and_read_by_nobody(world):
    async def pieces():
        raise AssertionError("nobody reads it")
        yield b""

    with pytest.raises(CommandRefusedError) as refused:
        await world.psmp.uploads.put(world.caller("reader"), pieces(), "text/plain")
    record = (await world.records())[-1]
    assert (refused.value.code, record["receipt"]) == ("missing_scope", refused.value.receipt)
    assert (record["verb"], record["verdict"]) == ("upload", "deny")


async def test_a_refusal_of_the_state_is_recorded_as_a_command_that_policy_permits(world):
    await world.propose("ann", "a")
    own = world.answers[-1].changed[0].id
    refused = await world.refused("ann", "artifact.activate", artifact=own, version=1)
    assert (refused.state, refused.code) == ("refused", "own_proposal")
    assert (await world.records())[-1]["receipt"] == refused.receipt


async def test_a_dry_run_is_recorded_and_changes_nothing(world):
    answer = await world.propose("ann", "a", dry_run=True)
    assert answer.changed[0].artifact.versions[0].phase == "proposed"
    assert (await world.records())[-1]["verb"] == "propose"
    assert await _events(world) == ["project.ProjectCreated"]
    assert await world.texts() == 0


async def test_a_repeat_under_its_key_gets_the_first_answer_and_its_receipt(world):
    first = await world.propose("ann", "a", key="k")
    before = len(await world.records())
    again = await world.propose("ann", "a", key="k")
    assert (again.receipt, again.project_version, again.changed) == (
        first.receipt,
        first.project_version,
        first.changed,
    )
    assert len(await world.records()) == before
    with pytest.raises(MetaQoreError) as error:
        await world.propose("ann", "b", key="k")
    assert error.value.code == "idempotency_body_differs"


async def test_a_checkpoint_is_taken_once_under_its_key(world):
    await world.propose("ann", "a")
    first = await world.do("ann", "checkpoint.take", checkpoint_name="base", key="k")
    await world.propose("ann", "b")
    before = len(await world.records())
    assert await world.do("ann", "checkpoint.take", checkpoint_name="base", key="k") == first
    assert len(await world.records()) == before
    other = await world.refused("ann", "checkpoint.take", checkpoint_name="base", key="other")
    assert other.code == "checkpoint_exists"


async def test_a_repeat_of_what_does_more_than_one_thing_is_told_all_of_it(world):
    first = (await world.propose("ann", "a", text="one", paths=["x.py"])).changed[0].id
    await world.do("bob", "artifact.activate", artifact=first, version=1)
    point = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint.id
    await world.do("bob", "artifact.deprecate", artifact=first, version=1, why="w")
    second = (await world.propose("ann", "b", text="two", paths=["x.py"])).changed[0].id
    given = [
        ("bob", "checkpoint.restore", {"checkpoint": point, "why": "back"}),
        ("eve", "conflict.resolve", {"artifact": second, "version": 1, "choice": "supersede", "why": "w"}),
        ("eve", "project.archive", {"cascade": True, "why": "over"}),
    ]
    answers = []
    for who, name, fields in given:
        if name == "conflict.resolve":
            fields["conflict"] = answers[0].conflicts[0].conflict.id
        answers.append(await world.do(who, name, key=name, **fields))
    assert answers[0].differences
    assert answers[1].steps
    assert answers[2].ended
    for (who, name, fields), answer in zip(given, answers, strict=True):
        assert await world.do(who, name, key=name, **fields) == answer


class SeenLate:
    """Answers that are not there yet when they are looked for first."""

    def __init__(self, answers):
        self.answers, self.looked = answers, False

    async def find(self, *key):
        looked, self.looked = self.looked, True
        return await self.answers.find(*key) if looked else None


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("checkpoint.take", {"checkpoint_name": "base"}),
        ("project.archive", {"cascade": True, "why": "over"}),
        ("project.freeze", {"why": "release"}),
    ],
)
async def test_a_repeat_that_overtakes_its_first_answer_gets_it_all_the_same(world, command, fields):
    await world.propose("ann", "a")
    first = await world.do("bob", command, key="k", **fields)
    gate = replace(world.psmp.gate, answers=SeenLate(world.psmp.gate.answers))
    world.psmp = replace(world.psmp, gate=gate)
    again = await world.do("bob", command, key="k", **fields)
    assert (again.receipt, again.project_version, again.checkpoint) == (
        first.receipt,
        first.project_version,
        first.checkpoint,
    )


async def test_a_repeat_of_what_was_refused_is_refused_alike(world):
    own = (await world.propose("ann", "a")).changed[0].id
    first = await world.refused("ann", "artifact.activate", artifact=own, version=1, key="k")
    again = await world.refused("ann", "artifact.activate", artifact=own, version=1, key="k")
    assert (again.code, again.receipt) == (first.code, first.receipt)


async def test_a_repeat_of_what_was_refused_before_it_was_tried_is_refused_alike(world):
    own = (await world.propose("ann", "a", text="first")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    taken = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint
    await world.do("bob", "artifact.deprecate", artifact=own, version=1, why="old")
    fields = {"checkpoint": taken.id, "why": "back", "key": "k"}
    first = await world.refused("ann", "checkpoint.restore", **fields)
    assert first.code == "own_proposal"
    await world.do("bob", "project.set_policy", policy={"may_activate_own": True}, why="w")
    before = len(await world.records())
    again = await world.refused("ann", "checkpoint.restore", **fields)
    assert (again.code, again.message, again.reasons, again.receipt) == (
        first.code,
        first.message,
        first.reasons,
        first.receipt,
    )
    assert len(await world.records()) == before
    await world.do("ann", "checkpoint.restore", **fields | {"key": "other"})


async def test_a_repeat_of_what_the_database_refused_is_refused_alike(world):
    fields = {"project_name": "garden", "project": "", "key": "k"}
    first = await world.refused("ann", "project.create", **fields)
    again = await world.refused("ann", "project.create", **fields)
    assert (first.code, again.code, again.receipt) == ("project_exists", "project_exists", first.receipt)


async def test_a_repeat_of_what_conflicts_refused_names_them_again(world):
    await world.propose("ann", "a", paths=["src/x.py"])
    wanted = [{"created": _app("b") | {"declarations": {"paths": ["src/x.py"]}}}]
    fields = {"proposals": wanted, "refuse_blocked": True, "key": "k"}
    first = await world.refused("bob", "artifact.propose", **fields)
    again = await world.refused("bob", "artifact.propose", **fields)
    assert again.conflicts == first.conflicts != ()


async def test_a_denial_is_not_kept_under_its_key(world):
    denied = await world.refused("reader", "task.open", title="t", key="k")
    again = await world.refused("reader", "task.open", title="t", key="k")
    assert denied.receipt != again.receipt


async def test_a_repeated_creation_makes_one_project(world):
    first = await world.do("ann", "project.create", project_name="again", project="", key="k")
    again = await world.do("ann", "project.create", project_name="again", project="", key="k")
    assert again.project == first.project


async def test_the_key_of_one_caller_says_nothing_to_another(world):
    first = await world.propose("ann", "a", key="k")
    other = await world.propose("bob", "a", key="k")
    assert other.receipt != first.receipt


async def test_the_default_project_is_made_when_it_is_needed(world):
    wanted = [{"created": _app("a")}]
    answer = await world.do("ann", "artifact.propose", proposals=wanted, project="")
    assert (answer.project, answer.project_version) == ("default", 3)


async def test_a_project_that_is_not_there_leaves_no_record(world):
    before = len(await world.records())
    with pytest.raises(MetaQoreError) as error:
        await world.do("ann", "artifact.propose", proposals=[{"created": _app("a")}], project="nowhere")
    assert error.value.code == "project_not_found"
    assert len(await world.records()) == before


async def test_what_another_organization_has_is_not_there(world):
    own = (await world.propose("ann", "a")).changed[0].id
    with pytest.raises(MetaQoreError) as error:
        await world.do("mallory", "artifact.activate", artifact=own, version=1, project="")
    assert error.value.code == "artifact_not_found"


def _app(name, text="body"):
    return {"artifact_name": name, "content_text": text}


async def _events(world):
    found = await world.psmp.readings.events(world.caller("ann"), world.project, 0)
    return [f"{one.happened.of.kind}.{type(one.happened.event).__name__}" for one in found]


def _commitment(world, text):
    commitment = world.core.digests.commit(world.organization, text)
    return {"digest": commitment.digest, "key_id": commitment.key_id, "size_bytes": commitment.size_bytes}
