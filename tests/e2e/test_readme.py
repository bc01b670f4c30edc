"""What the README shows works word for word, but for the addresses and the key."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(
    ("imports", "shows"), [("from openai", "-"), ("import asyncio, json", "'state': 'done'")], ids=["rest", "kafka"]
)
def test_the_snippet_runs(mesh, imports, shows):
    [snippet] = [text for text in SNIPPETS if text.startswith(imports)]
    ours = {
        "mq_…": mesh.api_key,
        "http://127.0.0.1:8001": mesh.endpoints["rest"],
        "127.0.0.1:9092": mesh.endpoints["kafka"],
    }
    for theirs, here in ours.items():
        snippet = snippet.replace(theirs, here)
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout
