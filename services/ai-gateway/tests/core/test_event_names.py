"""What names an event is stored and repeated: no credential gets there."""

from __future__ import annotations

import pytest

from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.domain.event_names import bad_names

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
SCANNER = HyperscanScanner()


@pytest.mark.parametrize("name", [KEY, f"{KEY[:5]}\0{KEY[5:]}", "\0".join(KEY), f"\0{KEY}\0"])
def test_a_credential_in_a_name_is_found_whatever_stands_in_it(name):
    good, bad = bad_names(SCANNER, [("/here", "1", "key"), ("/here", "2", name)])
    assert good is None
    assert bad.code == "credential_in_event_name"


def test_two_names_make_none():
    assert bad_names(SCANNER, [("/here", KEY[:5], KEY[5:])]) == [None]
