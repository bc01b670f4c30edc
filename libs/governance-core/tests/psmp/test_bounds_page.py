from pathlib import Path

import pytest

from metaqore_governance_core.contracts.psmp_command import MAX_PROPOSALS, MAX_SOURCES
from metaqore_governance_core.psmp.conflicts import bounds, documents, requirement_bounds

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "psmp.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("versions proposed together", (MAX_PROPOSALS,)),
        (
            "paths of a version",
            (bounds.MAX_PATHS, bounds.MAX_PATH, bounds.MAX_FOLDERS, bounds.MAX_FOLDERS_TOGETHER),
        ),
        ("marks upon one letter", (bounds.MAX_MARKS,)),
        (
            "requirements of a version",
            (bounds.MAX_DEPENDENCIES, bounds.MAX_OF_ONE_PACKAGE, bounds.MAX_CLAUSES_TOGETHER),
        ),
        (
            "one requirement",
            (requirement_bounds.MAX_REQUIREMENT, requirement_bounds.MAX_CLAUSES, requirement_bounds.MAX_ATOMS),
        ),
        ("a manifest that is read", (documents.MAX_MANIFEST_BYTES >> 20,)),
        ("documents, inputs and parents", (MAX_SOURCES,)),
    ],
)
def test_the_page_tells_the_bounds_as_they_are(row, told):
    (line,) = [one for one in PAGE.splitlines() if one.startswith(f"| {row}")]
    at = 0
    for bound in told:
        assert f"{bound:,}" in line[at:], f"write {bound:,} into docs/psmp.md"
        at = line.index(f"{bound:,}", at) + 1
