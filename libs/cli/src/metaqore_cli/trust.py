"""What a verification trusts: a public key that was pinned beforehand, and the log's origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaqore_cli.connection import run_directory
from metaqore_governance_core.checkpoints import log_origin, parse_checkpoint
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.notes import parse_vkey
from metaqore_mesh.keys import load_public_key

_BARE_KEY: Final = 44
"""The characters of a key in base64 alone, which may hold any number of plus signs, too."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The log's raw Ed25519 public key; `origin` and `mesh` where they are known beforehand."""

    public_key: bytes
    mesh: str | None = None
    origin: str | None = None

    def origin_of(self, organization: str, checkpoint: str) -> str:
        """The origin that a checkpoint of this organization must have.

        Where neither was pinned, the mesh's name is the one that the key signed in `checkpoint` itself.
        """
        if self.origin:
            return self.origin
        mesh = self.mesh or parse_checkpoint(checkpoint.rpartition("\n\n")[0] + "\n").origin.rpartition("/")[0]
        return log_origin(mesh, organization)


def trusted(key: str | None) -> Trust:
    """The key given as a vkey line or a file, else the one pinned in the run directory. Raises `no_pinned_key`.

    A key that came with a proof is never trusted.
    """
    if key is not None:
        path = Path(key)
        text = path.read_text(errors="replace").strip() if path.is_file() else key
        if text.count("+") >= 2 and len(text) > _BARE_KEY and "-----BEGIN" not in text:  # noqa: PLR2004 - vkey's parts
            verifier = parse_vkey(text)
            return Trust(verifier.public_key, origin=verifier.name)
        return Trust(load_public_key(path))
    run = run_directory()
    if not run.log_public_key.is_file():
        raise MetaQoreError(
            "no_pinned_key",
            f"There is no pinned key at {run.log_public_key}. Give the log's public key with --key: a file, or a vkey "
            "line that you have from its operator.",
            kind=ErrorKind.NOT_FOUND,
        )
    mesh = run.mesh_id.read_text().strip() if run.mesh_id.is_file() else None
    return Trust(load_public_key(run.log_public_key), mesh=mesh)
