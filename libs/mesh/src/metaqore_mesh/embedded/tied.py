"""A program that dies with the process that started it.

Run as a script this file ties itself to its parent and then becomes the program, so it imports nothing but the
standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
#: PostgreSQL only asks that it is not 0.
_MAPPED_ID = 1000

#: How the program's account differs from its parent's: not at all, mapped to another id, or `UID:GID`.
SAME_ACCOUNT = "same"
MAPPED_ACCOUNT = "mapped"


def tied(program: Sequence[str], *, death_signal: signal.Signals, account: str = SAME_ACCOUNT) -> list[str]:
    """The command that runs `program` so that it gets `death_signal` when this process ends, however it ends.

    The kernel ties a child to the *thread* that forked it (prctl(2), PR_SET_PDEATHSIG): start it from a thread that
    lives as long as the process, which is the main thread.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), account, *program]


def _become(parent: int, death_signal: int, account: str, program: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if account == MAPPED_ACCOUNT:
        _enter_user_namespace(libc)
    elif account != SAME_ACCOUNT:
        user, _, group = account.partition(":")
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    # After the account: the kernel forgets the signal when credentials change.
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before it could be watched
        sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606 - the point of this file


def _enter_user_namespace(libc: ctypes.CDLL) -> None:
    """Be another user to oneself, while files stay owned by whom they are (user_namespaces(7))."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) failed")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_MAPPED_ID} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_MAPPED_ID} {group} 1", encoding="ascii")


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
