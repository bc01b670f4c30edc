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
POETRY = """
[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main", "dev"]
markers = "sys_platform == \\"win32\\""
[[package]]
name = "numpy"
version = "1.26.0"
groups = ["main", "dev"]
markers = {main = "python_version < \\"3.9\\"", dev = "os_name == \\"nt\\""}
[[package]]
name = "numpy"
version = "2.1.0"
groups = ["main", "dev"]
markers = {main = "python_version >= \\"3.9\\""}
[[package]]
name = "odd"
version = "1.0"
groups = ["main"]
markers = "python_version ~ \\"3\\""
"""
FORKED = """
version = 1
[[package]]
name = "pkg"
version = "1.0"
resolution-markers = ["python_full_version < '3.11'"]
[[package]]
name = "pkg"
version = "2.0"
resolution-markers = [
    "python_full_version >= '3.11' and os_name == 'nt'",
    "python_full_version >= '3.13'",
]
"""


@pytest.mark.parametrize(
    ("name", "text", "pinned", "unread"),
    [
        ("pylock.toml", PYLOCK, ["attrs==25.1.0", "colorama==0.4.6 ; sys_platform == 'win32'"], []),
        ("uv.lock", UV, ["numpy==2.1.0"], []),
        ("poetry.lock", TWICE, [], ["numpy==2.1.0", "numpy==1.26.0"]),
        (
            "poetry.lock",
            POETRY,
            [
                'colorama==0.4.6 ; sys_platform == "win32"',
                'numpy==1.26.0 ; (python_version < "3.9") or (os_name == "nt")',
            ],
            ["numpy==2.1.0", 'odd==1.0 ; python_version ~ "3"'],
        ),
        (
            "uv.lock",
            FORKED,
            [
                "pkg==1.0 ; python_full_version < '3.11'",
                "pkg==2.0 ; (python_full_version >= '3.11' and os_name == 'nt') or (python_full_version >= '3.13')",
            ],
            [],
        ),
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
