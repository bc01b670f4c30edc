"""What was not understood of a command line."""

import json

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["key", "create"], "Missing argument 'caller'. See: metaqore key create --help"),
        (["task", "list", "--nope"], "No such option: --nope. See: metaqore task list --help"),
        (["task", "list", "--limit", "many"], "Invalid value for '--limit'"),
        (["audit", "nothing"], "No such command 'nothing'. See: metaqore audit --help"),
        (["--nope", "status"], "No such option: --nope. See: metaqore --help"),
        (["audit", "verify"], "Invalid value: Give receipts, or --all."),
    ],
)
def test_it_is_json_where_json_was_asked_for(metaqore, words, message):
    told, plain = metaqore(*words, "--json"), metaqore(*words)
    assert told.code == plain.code == 2
    error = json.loads(told.out)["error"]
    assert message in error.pop("message").replace("root", "metaqore")
    assert error == {"code": "usage_invalid", "reasons": [], "retryable": False}
    assert plain.out == ""
    assert told.err == plain.err


def test_a_word_that_is_no_option_asks_for_no_json(metaqore):
    assert metaqore("key", "create", "ann", "--", "--json").out == ""
