"""What holds for all tests, since any of them may run beside or between any others."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SESSIONS_LOOP = "loop_scope=" + '"session"'


def test_nothing_lives_in_an_event_loop_that_stands_still_between_modules():
    """What a gateway has open there stays open: while it is a transaction, PostgreSQL holds back all later events."""
    tests = (path for folder in ("tests", "libs", "services") for path in (ROOT / folder).rglob("*.py"))
    assert [str(path.relative_to(ROOT)) for path in tests if SESSIONS_LOOP in path.read_text()] == []
