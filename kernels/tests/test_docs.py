"""What the pages say is so: their signatures are the functions', their sections are there, their example runs."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import metaqore_kernels as mk

ROOT = Path(__file__).parents[1]
PAGES = {
    "route_select": ["route_select"],
    "route_permute": ["route_permute"],
    "gather_combine": ["gather_rows", "combine"],
    "route": ["route"],
    "balance_update": ["balance_update"],
    "masked_topk": ["masked_topk"],
}
SECTIONS = ["Contract", "Algorithm", "Bytes and bound", "Measured", "When", "When not"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_every_section_and_a_drawing(page):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert "```" in text


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in PAGES.items() for name in names])
def test_a_signature_is_the_functions(page, name):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    said = re.search(rf"`{name}\(([^)]*)\)", text)[1]
    names = [part.strip().split("=")[0].lstrip("*") for part in said.split(",")]
    told_of_all = {"", "stream"}  # the README has the second
    assert [n for n in names if n not in told_of_all] == [
        n for n in inspect.signature(getattr(mk, name)).parameters if n not in told_of_all
    ]


def test_the_readmes_example_runs():
    example = re.search(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    rng = np.random.default_rng(0)
    given = {
        "logits": rng.normal(size=(4, 256)).astype(np.float32),
        "bias": np.zeros(256, np.float32),
        "x": rng.normal(size=(4, 16)).astype(np.float32),
        "experts": lambda rows: rows,
        "queries": rng.normal(size=(2, 16)).astype(np.float16),
        "vectors": rng.normal(size=(50, 16)).astype(np.float16),
        "mine": np.array([0, 1], np.int32),
        "theirs": rng.integers(0, 2, 50).astype(np.int32),
    }
    exec(example, given)  # noqa: S102 - our own
    np.testing.assert_allclose(given["out"], 2.5 * given["x"], rtol=1e-5)
    assert given["ids"].shape == (2, 10)


def test_every_link_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+\.md)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
