"""Programs that heed signals: what a shell starts in the background, or under nohup, is born to ignore some.

Not by `preexec_fn`: that forks with the handlers of every library, and gRPC's abort the child where threads call it.
"""

import sys

_HEED = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
HEEDING_SIGNALS = (sys.executable, "-c", _HEED)
"""Stands before a command."""
