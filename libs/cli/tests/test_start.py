"""The command from its first moment on."""

import signal
import subprocess
import sys

from heeding import HEEDING_SIGNALS


def test_an_interrupt_while_it_imports_shows_no_stack_trace(tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    ended = subprocess.run(
        [*HEEDING_SIGNALS, sys.executable, "-m", "metaqore_cli", "status"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGINT
    assert not ended.stderr
