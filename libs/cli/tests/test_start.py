"""The command from its first moment on."""

import signal
import subprocess
import sys


def heed_interrupts():
    """Whoever runs the tests in the background has them ignored, and what they start as well."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_while_it_imports_shows_no_stack_trace(tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    ended = subprocess.run(
        [sys.executable, "-m", "metaqore_cli", "status"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGINT
    assert not ended.stderr
