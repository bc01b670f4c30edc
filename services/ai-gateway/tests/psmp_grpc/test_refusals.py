import grpc
import pytest

from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import conflict_pb2, refusal_pb2
from metaqore.psmp.v1 import work_pb2 as w
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError, not_found
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.blocking_report import WayOut
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_mesh.errors import detail_of_call, error_of_call

ACTIVATE = a.ActivateArtifactRequest(artifact_id="artifact_x", version=1)


def clash(number=0, parties=2, declares="numpy<2", explanation="They cannot stand together."):
    sides = tuple(Party(f"artifact-{one}", 1, "ann", declares) for one in range(parties))
    return make_conflict(
        ConflictType.PYTHON_VERSIONS,
        Severity.BLOCKING,
        f"python:numpy{number}",
        parties=sides,
        clashing=sides[:2],
        suggestion=Choice.KEEP_EXISTING,
        explanation=explanation,
    )


def refusal(*conflicts, kind=ErrorKind.PRECONDITION, state="refused", ways_out=()):
    error = MetaQoreError("artifact_blocked", "Resolve these first.", kind=kind, reasons=("conflict_1",))
    return CommandRefusedError(
        error, state=state, receipt="receipt-9", receipt_token="token-9", conflicts=conflicts, ways_out=ways_out
    )


async def test_a_refusal_tells_who_what_and_how_to_resolve(door):
    one = clash()
    door.gate.answer = refusal(one, ways_out=(WayOut("metaqore conflict resolve", "who may resolve"),))
    ended = await door.refused("ArtifactService.ActivateArtifact", ACTIVATE)
    assert ended.code() is grpc.StatusCode.FAILED_PRECONDITION
    error = error_of_call(ended)
    assert (error.code, error.message, error.reasons) == ("artifact_blocked", "Resolve these first.", ("conflict_1",))
    told = detail_of_call(ended, refusal_pb2.Refusal)
    assert (told.state, told.receipt_id, told.cut) == (refusal_pb2.REFUSAL_STATE_REFUSED, "receipt-9", False)
    (conflict,) = told.conflicts
    assert (conflict.id, conflict.explanation) == (one.id, one.explanation)
    assert [(party.artifact, party.by, party.declares) for party in conflict.parties] == [
        ("artifact-0", "ann", "numpy<2"),
        ("artifact-1", "ann", "numpy<2"),
    ]
    assert conflict_pb2.CHOICE_KEEP_EXISTING in conflict.choices
    assert [(way.command, way.who) for way in told.ways_out] == [("metaqore conflict resolve", "who may resolve")]
    assert dict(ended.initial_metadata())["metaqore-receipt"] == "token-9"


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        (ErrorKind.FORBIDDEN, "denied", grpc.StatusCode.PERMISSION_DENIED),
        (ErrorKind.CONFLICT, "refused", grpc.StatusCode.ABORTED),
        (ErrorKind.UNPROCESSABLE, "refused", grpc.StatusCode.FAILED_PRECONDITION),
        (ErrorKind.UNAVAILABLE, "failed", grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_each_kind_has_its_status(door, kind, state, code):
    door.gate.answer = refusal(kind=kind, state=state)
    ended = await door.refused("WorkService.StartTask", w.StartTaskRequest(id="t1"))
    told = detail_of_call(ended, refusal_pb2.Refusal)
    assert (ended.code(), told.state) == (code, refusal_pb2.RefusalState.Value(f"REFUSAL_STATE_{state.upper()}"))


@pytest.mark.parametrize(
    ("conflicts", "told_of"),
    [
        pytest.param([clash(parties=1000)], 1, id="a thousand share the key"),
        pytest.param([clash(number) for number in range(1000)], 2, id="a thousand conflicts"),
        pytest.param([clash(declares="x" * 4096, explanation="é" * 9000)], 1, id="long words"),
    ],
)
async def test_a_large_refusal_is_cut_and_arrives(door, conflicts, told_of):
    way = WayOut("metaqore conflict resolve " + "x" * 40, "who may resolve")
    door.gate.answer = refusal(*conflicts, ways_out=(way,) * 1000)
    for _ in range(5):  # beyond its soft limit gRPC refuses by chance
        ended = await door.refused("ArtifactService.ActivateArtifact", ACTIVATE)
        assert ended.code() is grpc.StatusCode.FAILED_PRECONDITION
        told = detail_of_call(ended, refusal_pb2.Refusal)
        assert len(told.conflicts) >= told_of
        assert told.conflicts[0].explanation
        assert len(told.ways_out) >= 1
        assert told.cut


async def test_what_has_no_record_has_neither_receipt_nor_refusal(door):
    door.gate.answer = not_found("artifact")
    ended = await door.refused("ArtifactService.ActivateArtifact", ACTIVATE)
    assert (ended.code(), error_of_call(ended).code) == (grpc.StatusCode.NOT_FOUND, "artifact_not_found")
    assert detail_of_call(ended, refusal_pb2.Refusal) is None
    assert "metaqore-receipt" not in dict(ended.initial_metadata())


async def test_a_fault_tells_nothing_of_itself(door):
    door.gate.answer = RuntimeError("secret")
    ended = await door.refused("ArtifactService.ActivateArtifact", ACTIVATE)
    assert (ended.code(), error_of_call(ended).code) == (grpc.StatusCode.INTERNAL, "internal")
    assert "secret" not in ended.details()
