"""Finds the mesh to talk to: its gRPC address, the API key, and the pinned key of its log."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.run_lock import lock_holder
from metaqore_mesh.run_directory import RunDirectory, unusable
from metaqore_mesh.settings import MeshSettings


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the gateway answers (`host:port`), and the key to show it."""

    grpc: str
    api_key: str


def run_directory() -> RunDirectory:
    """The run directory named by METAQORE_RUN_DIR, or the default one."""
    return RunDirectory(MeshSettings().run_dir)


def connect() -> Connection:
    """The mesh named by METAQORE_GATEWAY_ENDPOINT and METAQORE_API_KEY, else the one of the run directory.

    Raises `mesh_not_running` where there is none, `invalid_api_key` for what cannot be one.
    """
    endpoint, key = os.environ.get("METAQORE_GATEWAY_ENDPOINT"), os.environ.get("METAQORE_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        message = "METAQORE_API_KEY holds what no API key has. A key begins with mq_ and is one line of ASCII."
        raise MetaQoreError("invalid_api_key", message, kind=ErrorKind.UNAUTHENTICATED)
    if endpoint and key:
        return Connection(endpoint, key)
    run = run_directory()
    described = _described(run)
    if not endpoint and lock_holder(run.path) is None:
        raise _not_running(run)
    return Connection(endpoint or described["endpoints"]["grpc"], key or _read_key(Path(described["api_key_file"])))


def _described(run: RunDirectory) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(run.mesh_json.read_text())
    except FileNotFoundError as error:
        raise _not_running(run) from error
    except OSError as error:
        raise unusable(run.path, error) from error
    return described


def _not_running(run: RunDirectory) -> MetaQoreError:
    message = (
        f"No mesh runs in {run.path}. Start one with `metaqore up`, or name another by METAQORE_RUN_DIR, or by "
        "METAQORE_GATEWAY_ENDPOINT and METAQORE_API_KEY."
    )
    return MetaQoreError("mesh_not_running", message, kind=ErrorKind.UNAVAILABLE)


def _read_key(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise MetaQoreError(
            "no_api_key",
            f"The API key file {path} cannot be read ({error.strerror}). Set METAQORE_API_KEY.",
            kind=ErrorKind.UNAUTHENTICATED,
        ) from error
