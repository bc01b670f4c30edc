"""The command line where nobody can read what it prints."""

import os
import subprocess
import sys


def run_into(into, *words):
    """How `metaqore` ends, and what it says on standard error, where standard output is the file `into`.

    `pipe` is one whose reader has left, and `closed` was closed beforehand.
    """
    line = [sys.executable, "-m", "metaqore_cli", *words]
    if into == "closed":
        line = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *line]
    if into == "pipe":
        reader, output = os.pipe()
        os.close(reader)
    else:
        output = os.open(os.devnull if into == "closed" else into, os.O_WRONLY)
    try:
        done = subprocess.run(line, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(output)
    return done.returncode, done.stderr
