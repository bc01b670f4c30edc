"""What someone is told who asks for a model that is not there."""

from __future__ import annotations

import pytest

from metaqore_ai_gateway.domain.rulebook import MOST_NAMED, model_not_found


@pytest.mark.parametrize(
    ("usable", "told"),
    [
        ([], "The policy opens no model to this key; ask the operator for an allowpath."),
        (["a", "b"], "This key may use: a, b."),
        ([str(number) for number in range(MOST_NAMED)], "18, 19."),
        ([str(number) for number in range(MOST_NAMED + 2)], "18, 19, and 2 more."),
    ],
)
def test_an_unknown_model_is_answered_with_those_that_there_are(usable, told):
    error = model_not_found(usable)
    assert (error.code, error.message.endswith(told)) == ("model_not_found", True)
    assert "/v1/" not in error.message
