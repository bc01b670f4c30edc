"""The run directory: where a mesh keeps its keys, spool, database and logs."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.directories import sync_directory

_PRIVATE_DIRECTORY = 0o700
_PRIVATE_FILE = 0o600
_PUBLIC_FILE = 0o644


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Names for the paths in `METAQORE_RUN_DIR`. Nothing is made until `create` or one of the `make_*` methods."""

    path: Path

    @property
    def mesh_json(self) -> Path:
        """Endpoints, ports and pids of the running mesh."""
        return self.path / "mesh.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it runs."""
        return self.path / "lock"

    @property
    def mesh_id(self) -> Path:
        """The mesh's random id: the first part of each log's origin."""
        return self.path / "mesh-id"

    @property
    def keys(self) -> Path:
        """Secret keys; the directory is 0700, each file 0600."""
        return self.path / "keys"

    @property
    def log_key(self) -> Path:
        """The auditor's Ed25519 key for checkpoints."""
        return self.keys / "log.key"

    @property
    def writer_key(self) -> Path:
        """The gateway's Ed25519 key for group commits."""
        return self.keys / "writer.key"

    @property
    def digest_key(self) -> Path:
        """The root of the organizations' digest keys."""
        return self.keys / "digest.key"

    @property
    def body_key(self) -> Path:
        """The root of the keys that seal the bodies of artifacts."""
        return self.keys / "body.key"

    @property
    def mesh_token(self) -> Path:
        """The bearer token that services show each other."""
        return self.keys / "mesh-token"

    @property
    def public(self) -> Path:
        """Public keys, for whoever verifies."""
        return self.path / "public"

    @property
    def log_public_key(self) -> Path:
        """The pinned public key of the log."""
        return self.public / "log.pub"

    @property
    def writers(self) -> Path:
        """Public keys of the writers, `<writer id>.pub`."""
        return self.public / "writers"

    @property
    def api_key(self) -> Path:
        """The admin key of the first organization, 0600."""
        return self.path / "api-key"

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's cluster."""
        return self.path / "postgres"

    @property
    def spool(self) -> Path:
        """The audit spool's segments."""
        return self.path / "spool"

    @property
    def objects(self) -> Path:
        """The bodies of artifacts, sealed, where they lie in no bucket."""
        return self.path / "objects"

    @property
    def seen(self) -> Path:
        """The newest checkpoints that the command line has verified, 0600."""
        return self.path / "seen"

    @property
    def logs(self) -> Path:
        """What each part writes to its standard output and error."""
        return self.path / "logs"

    def log_of(self, part: str) -> Path:
        """The log file of one part."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the directories that are missing. All are 0700 except `public`; nothing above `path` is changed.

        Raises `run_directory_unusable` where one cannot be made, or not be written to.
        """
        try:
            for directory in (self.path, self.keys, self.logs, self.spool):
                directory.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self.writers.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            raise unusable(self.path, error) from error

    def make_mesh_id(self) -> str:
        """The mesh's id, made at the first call: 26 lower-case base32 characters (128 random bits)."""
        random = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
        return write_once(self.mesh_id, f"{random}\n".encode(), mode=_PUBLIC_FILE).decode().strip()

    def make_mesh_token(self) -> str:
        """The token that services show each other, made at the first call."""
        return make_mesh_token(self.mesh_token)


def unusable(path: Path, error: OSError) -> MetaQoreError:
    """What is told where the machine refuses a run directory."""
    return MetaQoreError(
        "run_directory_unusable",
        f"The run directory {path} cannot be used: {error.strerror} ({error.filename}). "
        "Make it writable, or name another in METAQORE_RUN_DIR.",
        kind=ErrorKind.UNAVAILABLE,
    )


def make_mesh_token(file: Path) -> str:
    """The token in `file`, made where there is none: 256 random bits."""
    return write_once(file, f"{secrets.token_urlsafe(32)}\n".encode()).decode().strip()


def write_once(path: Path, content: bytes, *, mode: int = _PRIVATE_FILE) -> bytes:
    """Write `path` if it does not exist, durably and whole; return what it then holds, whoever wrote it."""
    temporary = _written_beside(path, content, mode)
    try:
        os.link(temporary, path)  # unlike rename, fails where the file exists: the first writer wins
    except FileExistsError:
        return path.read_bytes()
    finally:
        temporary.unlink()
    sync_directory(path.parent)
    return content


def write_atomically(path: Path, content: bytes, *, mode: int = _PRIVATE_FILE) -> None:
    """Replace `path` durably: a reader sees the old content or the new, never a part."""
    _written_beside(path, content, mode).replace(path)
    sync_directory(path.parent)


def _written_beside(path: Path, content: bytes, mode: int) -> Path:
    path.parent.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    return Path(name)
