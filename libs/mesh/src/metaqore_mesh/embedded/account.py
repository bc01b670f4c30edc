"""Which account PostgreSQL runs under, since it refuses root."""

from __future__ import annotations

import functools
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.tied import MAPPED_ACCOUNT, SAME_ACCOUNT, tied

_UNPRIVILEGED = ("postgres", "nobody")


def choose_account(directory: Path, programs: Path) -> str:
    """The account for a server that keeps its files in `directory`, in the form that `tied` takes.

    Anyone but root: the same. Root: the same in a user namespace, which changes no file's owner; where namespaces
    are not allowed, an unprivileged user, if all directories above ours, which is `directory.parent`, let it
    through as they are. Raises `MetaQoreError` where neither can be.
    """
    if os.geteuid() != 0:
        return SAME_ACCOUNT
    if _namespaces_work():
        return MAPPED_ACCOUNT
    user = next(iter(_known(_UNPRIVILEGED)), None)
    if user and _others_reach(directory.parent.parent) and _others_reach(programs):
        return f"{user.pw_uid}:{user.pw_gid}"
    raise MetaQoreError(
        "embedded_postgres_as_root",
        f"PostgreSQL refuses to run as root, this machine allows no user namespaces, and no other user can reach "
        f"{directory}. Run as another user, or give your own PostgreSQL in METAQORE_DATABASE__URL.",
        kind=ErrorKind.UNAVAILABLE,
    )


@functools.cache
def _namespaces_work() -> bool:
    command = tied(["/bin/true"], death_signal=signal.SIGKILL, account=MAPPED_ACCOUNT)
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own command


def _known(names: Iterable[str]) -> Iterable[pwd.struct_passwd]:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return (known[name] for name in names if name in known)


def _others_reach(path: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents) if step.exists())
