from pathlib import Path

from metaqore_governance_core.psmp.state_tables import tables

PAGE = Path(__file__).resolve().parents[4] / "docs" / "psmp-states.md"


def test_the_page_shows_what_the_deciders_say():
    assert PAGE.read_text(encoding="utf-8").endswith(f"{tables()}\n"), "write the tables into docs/psmp-states.md"
