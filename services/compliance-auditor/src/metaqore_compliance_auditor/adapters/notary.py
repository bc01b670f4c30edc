"""The log's key at work: signing checkpoints, and opening those it has signed."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_compliance_auditor.domain.seals import Head
from metaqore_governance_core.checkpoints import Checkpoint, log_origin, open_checkpoint, sign_checkpoint


class KeyNotary:
    """`Notary` with a key in memory. One key serves all logs of a mesh; the origin tells them apart."""

    def __init__(self, mesh: str, key: Ed25519PrivateKey) -> None:
        self._mesh = mesh
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    def origin(self, organization: str) -> str:
        """The origin of the organization's log."""
        return log_origin(self._mesh, organization)

    def sign(self, organization: str, head: Head) -> str:
        """See `Notary.sign`."""
        return sign_checkpoint(Checkpoint(self.origin(organization), head.size, head.root), self._key)

    def open(self, organization: str, note: str) -> Head:
        """See `Notary.open`."""
        checkpoint = open_checkpoint(note, self.origin(organization), self._public)
        return Head(checkpoint.size, checkpoint.root)
