"""What lock files pin."""

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.python_locks import python_lock

PARTY = Party("a", 1, "ann", "")
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "attrs"
version = "25.1.0"
[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
[[packages]]
name = "own"
directory = {path = "."}
"""
UV = """
version = 1
[[package]]
name = "own"
version = "0.1.0"
source = { editable = "." }
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://example.org/simple" }
"""
TWICE = """
[[package]]
name = "numpy"
version = "2.1.0"
[[package]]
name = "numpy"
version = "1.26.0"
"""


@pytest.mark.parametrize(
    ("name", "text", "pinned", "unread"),
    [
        ("pylock.toml", PYLOCK, ["attrs==25.1.0", "colorama==0.4.6 ; sys_platform == 'win32'"], []),
        ("uv.lock", UV, ["numpy==2.1.0"], []),
        ("poetry.lock", TWICE, [], ["numpy==2.1.0", "numpy==1.26.0"]),
    ],
)
def test_what_is_pinned(name, text, pinned, unread):
    manifest = python_lock(PARTY, text, name)
    assert [entry.text for entry in manifest.entries] == pinned
    assert list(manifest.unread) == unread


@pytest.mark.parametrize("text", ["[[", "package = 3", "package = [3]"])
def test_what_is_no_lock_file(text):
    with pytest.raises(MetaQoreError) as refused:
        python_lock(PARTY, text, "uv.lock")
    assert refused.value.code == "manifest_invalid"
