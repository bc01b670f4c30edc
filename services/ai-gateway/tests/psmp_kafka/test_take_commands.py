"""Commands are done in their order, and whatever comes of one is answered."""

import asyncio

import pytest

from metaqore_ai_gateway.domain.command_request import InvalidCommandError
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError, not_found
from metaqore_ai_gateway.service.psmp.take_commands import CommandSubmission
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.psmp.blocking_report import WayOut
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict, ConflictType, Party, Severity
from metaqore_governance_core.sensitivity import Sensitivity

ANN, BOB = Party("a.py", 1, "ann", "writes a.py"), Party("b.py", 1, "bob", "writes a.py")
CLASH = Conflict(
    id="conflict_1",
    type=ConflictType.PATH_SAME,
    severity=Severity.BLOCKING,
    key="a.py",
    parties=(ANN, BOB),
    clashing=(ANN, BOB),
    suggestion=Choice.MERGE,
    explanation="Both write a.py.",
)
WAY = WayOut("metaqore artifact withdraw a.py@1", "ann")


def away(code="database_unavailable"):
    return MetaQoreError(code, "away", kind=ErrorKind.UNAVAILABLE, retryable=True)


def verdict(state, code, *, retryable=False, **told):
    error = MetaQoreError(code, "No.", kind=ErrorKind.FORBIDDEN, reasons=(code, "more"), retryable=retryable)
    return CommandRefusedError(error, state=state, receipt="r", receipt_token="t", **told)


def states(desk):
    return [(answer.request.id, answer.state) for answer, _ in desk.answers.sent]


async def test_a_command_is_given_as_its_event_says(desk, command):
    one = command(project="garden", dry_run=True, sensitivity="SENSITIVE")
    assert await desk.take([one]) == [None]
    [given] = desk.gate.given
    assert (given.caller.name, given.door, given.project, given.dry_run) == ("ann", Door.KAFKA, "garden", True)
    assert (given.label, given.raw, given.command.title) == (Sensitivity.SENSITIVE, one.raw, "Plant")


async def test_what_is_done_is_answered_with_its_receipt(desk, command):
    assert await desk.take([command()]) == [None]
    [(answer, reply_key)] = desk.answers.sent
    assert (answer.name, answer.organization, answer.project, answer.state) == ("task.open", "acme", "default", "done")
    assert (answer.receipt, answer.receipt_token, answer.project_version) == ("receipt-1", "token-1", 1)
    assert [(one.aggregate, one.id, one.revision) for one in answer.changes] == [("task", "task-1", 1)]
    assert (answer.request.source, answer.request.id, answer.error, reply_key) == ("shop", "1", None, b"reply")
    assert desk.watch.ended == [("task.open", "done")]


async def test_what_is_no_command_is_answered_with_what_is_wrong_with_it(desk):
    invalid = InvalidCommandError("task.open", "missing at command.task.open.title")
    one = CommandSubmission(RequestName("shop", "1"), "Bearer mq_right", b"reply", invalid, b"{}")
    stranger = CommandSubmission(RequestName("shop", "2"), None, b"reply", invalid, b"{}")
    assert await desk.take([one, stranger]) == [None, None]
    told = {answer.request.id: (answer.organization, answer.name, answer.error.code) for answer, _ in desk.answers.sent}
    assert told == {"1": ("acme", "task.open", "command_invalid"), "2": ("", "task.open", "missing_api_key")}
    assert desk.gate.given == []
    assert sorted(desk.watch.refusals) == ["command_invalid", "missing_api_key"]


async def test_the_same_event_is_answered_the_same(desk, command):
    await desk.take([command()])
    await desk.take([command()])
    (first, _), (again, _) = desk.answers.sent
    assert first == again
    assert len({given.key for given in desk.gate.given}) == 1


@pytest.mark.parametrize(
    ("authorization", "code"),
    [pytest.param(None, "missing_api_key", id="no key"), pytest.param("Bearer mq_x", "invalid_api_key", id="another")],
)
async def test_who_is_a_stranger_is_answered_and_does_nothing(desk, command, authorization, code):
    assert await desk.take([command(authorization=authorization)]) == [None]
    [(answer, _)] = desk.answers.sent
    assert (answer.state, answer.error.code, answer.organization, answer.receipt) == ("failed", code, "", "")
    assert (desk.gate.given, desk.watch.refusals) == ([], [code])


@pytest.mark.parametrize(
    ("fault", "state", "receipt"),
    [
        pytest.param(verdict("denied", "allowpath_missing"), "denied", "r", id="policy does not permit it"),
        pytest.param(verdict("refused", "wrong_phase"), "refused", "r", id="its state does not"),
        pytest.param(verdict("refused", "busy", retryable=True), "refused", "r", id="a verdict is final"),
        pytest.param(verdict("failed", "content_gone"), "failed", "r", id="it could not be tried"),
        pytest.param(not_found("artifact"), "failed", "", id="it is not there"),
    ],
)
async def test_what_is_not_done_is_answered(desk, command, fault, state, receipt):
    desk.gate.faults["task.open"] = [fault]
    assert await desk.take([command(project="garden")]) == [None]
    [(answer, _)] = desk.answers.sent
    assert (answer.state, answer.receipt, answer.project) == (state, receipt, "garden")
    assert (answer.error.code, answer.error.reasons) == (fault.code, list(fault.reasons))
    assert (answer.changes, answer.project_version) == ([], None)


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param({"name": "task.start", "task": "task-1"}, "garden", id="where what it was sent to is"),
        pytest.param({"name": "project.create", "project_name": "garden"}, None, id="not one that was not made"),
    ],
)
async def test_a_refusal_tells_the_project_that_its_command_did_not_name(desk, command, of, told):
    desk.gate.faults[of["name"]] = [verdict("refused", "no", project="garden")]
    assert await desk.take([command(of=of)]) == [None]
    assert desk.answers.sent[0][0].project == told


async def test_a_refusal_tells_who_stands_in_the_way(desk, command):
    desk.gate.faults["task.open"] = [verdict("refused", "artifact_blocked", conflicts=(CLASH, CLASH), ways_out=(WAY,))]
    await desk.take([command()])
    [(answer, _)] = desk.answers.sent
    [conflict] = answer.conflicts
    assert [(party.artifact, party.by, party.declares) for party in conflict.clashing] == [
        ("a.py", "ann", "writes a.py"),
        ("b.py", "bob", "writes a.py"),
    ]
    assert (conflict.suggestion, conflict.severity) == ("merge", "blocking")
    assert [(one.command, one.who) for one in answer.ways_out] == [(WAY.command, WAY.who)]


@pytest.mark.parametrize("fault", [away(), away("spool_full"), verdict("failed", "store_away", retryable=True)])
async def test_what_a_repeat_may_mend_is_given_again(desk, command, fault):
    desk.gate.faults["task.open"] = [fault]
    one = command()
    [error] = await desk.take([one])
    assert (error, desk.answers.sent) == (fault, [])
    assert await desk.take([one]) == [None]
    assert states(desk) == [("1", "done")]


async def test_nothing_of_its_project_goes_ahead_of_it(desk, command):
    desk.gate.faults["task.open"] = [away()]
    other = {"name": "checkpoint.take", "checkpoint_name": "c"}
    batch = [command("1"), command("2", other), command("3", other, project="garden"), command("4", other)]
    first, second, third, fourth = await desk.take(batch)
    assert (first.code, second.code, third, fourth.code) == (
        "database_unavailable", "command_behind", None, "command_behind",
    )  # fmt: skip
    assert second.retryable
    assert await desk.take([batch[0], batch[1], batch[3]]) == [None, None, None]
    assert states(desk) == [("3", "done"), ("1", "done"), ("2", "done"), ("4", "done")]


async def test_one_project_is_one_after_another_and_many_are_side_by_side_within_the_bound(desk, command):
    batch = [command(str(number), project=f"p{number % 8}") for number in range(40)]
    assert await desk.take(batch) == [None] * 40
    assert desk.gate.most == 4
    for project in range(8):
        done = [int(answer.request.id) for answer, _ in desk.answers.sent if answer.project == f"p{project}"]
        assert done == sorted(done)


async def test_an_answer_that_cannot_leave_is_given_again_and_is_the_same(desk, command):
    desk.answers.faults = [away("broker_unavailable")]
    one = command()
    [error] = await desk.take([one])
    assert error.code == "broker_unavailable"
    assert await desk.take([one]) == [None]
    [(answer, _)] = desk.answers.sent
    assert answer.receipt == "receipt-1"


async def test_a_fault_of_ours_is_told_in_the_end(desk, command, monkeypatch):
    monkeypatch.setattr("metaqore_ai_gateway.service.psmp.take_commands._FAULT_DELAY_S", 0)
    desk.gate.faults["task.open"] = [RuntimeError("secret")] * 3
    assert await desk.take([command("1"), command("2")]) == [None, None]
    (answer, _), (behind, _) = desk.answers.sent
    assert (answer.state, answer.error.code, behind.state) == ("failed", "internal", "done")
    assert "secret" not in answer.error.message


async def test_a_fault_that_passes_is_not_told(desk, command, monkeypatch):
    monkeypatch.setattr("metaqore_ai_gateway.service.psmp.take_commands._FAULT_DELAY_S", 0)
    desk.gate.faults["task.open"] = [RuntimeError()]
    assert await desk.take([command()]) == [None]
    assert states(desk) == [("1", "done")]


async def test_what_waited_too_long_is_not_tried(desk, command):
    first, second = command("1"), command("2", deadline_s=5)
    desk.gate.faults["task.open"] = [away()]
    await desk.take([first, second])
    desk.now_s += 6
    assert await desk.take([first, second]) == [None, None]
    assert states(desk) == [("1", "done"), ("2", "failed")]
    assert desk.answers.sent[1][0].error.code == "deadline_exceeded"


async def test_what_was_tried_once_is_tried_until_it_is_known(desk, command):
    desk.gate.faults["task.open"] = [away()]
    one = command(deadline_s=5)
    await desk.take([one])
    desk.now_s += 6
    assert await desk.take([one]) == [None]
    assert states(desk) == [("1", "done")]


async def test_a_deadline_is_not_that_of_another_organizations_command(desk, command, elsewhere):
    desk.gate.faults["task.open"] = [away()]
    await desk.take([command("1"), command("2", deadline_s=5)])
    desk.now_s += 6
    assert await desk.take([command("2", authorization=elsewhere, deadline_s=5)]) == [None]
    assert states(desk) == [("2", "done")]


async def test_a_door_that_is_closed_midway_leaves_nobody_behind(desk, command):
    desk.gate.held = asyncio.Event()
    taking = asyncio.create_task(desk.take([command("1"), command("2")]))
    while not desk.gate.running:
        await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    for _ in range(5):
        await asyncio.sleep(0)
    assert (desk.gate.running, len(desk.gate.given), desk.answers.sent) == (0, 1, [])
