"""What a command did and what it would do are told apart, and one thing is not told as many."""

import pytest

from metaqore_cli.sentences import counted, sentence


@pytest.mark.parametrize(
    ("subject", "verb", "rest", "done", "dry"),
    [
        ("the project garden", "is", "frozen", "the project garden is frozen", "the project garden would be frozen"),
        ("40", "", "proposed", "40 proposed", "40 would be proposed"),
        ("main.py v2", "counts", "now", "main.py v2 counts now", "main.py v2 would count now"),
        ("garden", "has", "a new policy", "garden has a new policy", "garden would have a new policy"),
    ],
)
def test_a_dry_run_says_what_would_be(subject, verb, rest, done, dry):
    assert sentence(subject, verb, rest, happened=True) == done
    assert sentence(subject, verb, rest, happened=False) == dry


@pytest.mark.parametrize(("count", "said"), [(0, "0 changes"), (1, "1 change"), (2, "2 changes")])
def test_one_is_not_many(count, said):
    assert counted(count, "change") == said
