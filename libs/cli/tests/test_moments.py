"""Times as people say them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from google.protobuf.timestamp_pb2 import Timestamp

from metaqore_cli.moments import ago, duration_s, duration_us, moment

NOW = datetime(2026, 10, 3, 12, tzinfo=UTC)


def stamp(**before):
    made = Timestamp()
    made.FromDatetime(NOW - timedelta(**before))
    return made


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param({"seconds": 0.4}, "just now", id="now"),
        pytest.param({"seconds": 40}, "40 s ago", id="seconds"),
        pytest.param({"minutes": 59, "seconds": 59}, "59 min ago", id="minutes"),
        pytest.param({"hours": 23}, "23 h ago", id="hours"),
        pytest.param({"days": 400}, "400 days ago", id="long ago"),
        pytest.param({"minutes": -20}, "in 20 min", id="to come"),
        pytest.param({"minutes": -9, "seconds": -58}, "in 10 min", id="to come, rounded"),
    ],
)
def test_how_long_ago(before, said):
    assert ago(stamp(**before), NOW) == said


def test_what_is_not_set_says_nothing():
    assert ago(Timestamp()) == ""


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("7d", 604_800)])
def test_durations(text, seconds):
    assert duration_s(text) == seconds
    assert duration_us(text) == seconds * 1_000_000


@pytest.mark.parametrize("text", ["", "h", "10", "-5m", "5 m", "5y"])
def test_what_is_no_duration_is_told(text):
    with pytest.raises(typer.BadParameter, match="30m"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        pytest.param("2h ago", NOW - timedelta(hours=2), id="ago"),
        pytest.param("30m", NOW - timedelta(minutes=30), id="a duration is ago"),
        pytest.param("3 min ago", NOW - timedelta(minutes=3), id="as it is shown"),
        pytest.param("400 days ago", NOW - timedelta(days=400), id="long ago, as it is shown"),
        pytest.param("yesterday", NOW - timedelta(days=1), id="yesterday"),
        pytest.param("2026-10-01T10:00:00Z", datetime(2026, 10, 1, 10, tzinfo=UTC), id="ISO 8601"),
        pytest.param("2026-10-01T10:00:00+02:00", datetime(2026, 10, 1, 8, tzinfo=UTC), id="with a zone"),
        pytest.param("release-1", None, id="a name is no time"),
    ],
)
def test_moments(text, then):
    assert moment(text, NOW) == then
