"""Messages as plain values."""

from google.protobuf.timestamp_pb2 import Timestamp

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import history_pb2 as history
from metaqore_cli.names import enum_name
from metaqore_cli.plain import plain


def test_numbers_stay_numbers_enums_are_short_and_what_is_not_set_is_none():
    told = plain(pb.ArtifactVersion(number=2, phase=pb.PHASE_BLOCKED, body=pb.Body(size_bytes=1 << 40)))
    assert (told["number"], told["phase"], told["body"]["size_bytes"]) == (2, "blocked", 1 << 40)
    assert (told["expire_time"], told["declarations"], told["drafted_by"], told["conflicts"]) == (None, None, "", [])


def test_times_sensitivities_and_bytes():
    assert plain(pb.Approval(time=Timestamp(seconds=1)))["time"] == "1970-01-01T00:00:01Z"
    assert plain(pb.Declarations(sensitivity=gateway.SENSITIVITY_CRITICAL))["sensitivity"] == "CRITICAL"
    assert plain(pb.ContentHead(sha256=b"\x01\xff"))["sha256"] == "01ff"


def test_of_what_excludes_each_other_only_what_is_set():
    told = plain(pb.NewVersion(content_digest="d"))
    assert told["content_digest"] == "d"
    assert "content_bytes" not in told
    assert told["description"] is None


def test_an_events_own_fields_are_as_they_were():
    event = history.Event(name="artifact.Proposed")
    event.data.update({"version": 2, "why": None, "paths": ["a", "b"]})
    assert plain(event)["data"] == {"version": 2, "why": None, "paths": ["a", "b"]}


def test_a_value_that_is_newer_than_this_is_its_number():
    assert enum_name(conflicts.Choice.DESCRIPTOR, 99) == "99"
    assert enum_name(conflicts.Choice.DESCRIPTOR, 0) == ""
