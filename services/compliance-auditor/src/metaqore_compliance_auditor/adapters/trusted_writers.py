"""The writers' public keys, read from a directory and from the configuration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from metaqore_compliance_auditor.domain.authenticity import Trust, WriterKey
from metaqore_governance_core.keys import key_id
from metaqore_mesh.keys import KeyFileError, load_public_key

log = structlog.get_logger(__name__)


class TrustDirectory:
    """`TrustedWriters` from `<writer>.pub` files, and keys given by writer. Whoever may write there is trusted."""

    def __init__(self, directory: Path, given: Mapping[str, bytes], *, pause_s: float = 1.0) -> None:
        self._directory = directory
        self._given = {key_id(public): WriterKey(writer, public) for writer, public in given.items()}
        self._keys: Trust = dict(self._given)
        self._pause_s = pause_s
        self._read_at = float("-inf")

    @property
    def keys(self) -> Trust:
        """See `TrustedWriters.keys`."""
        return self._keys

    async def reread(self) -> None:
        """See `TrustedWriters.reread`. The directory is read at most once in `pause_s`."""
        if time.monotonic() - self._read_at >= self._pause_s:
            self._keys = await asyncio.to_thread(self._read)
            self._read_at = time.monotonic()

    def _read(self) -> Trust:
        keys = dict(self._given)
        for path in sorted(self._directory.glob("*.pub")):
            try:
                public = load_public_key(path)
            except KeyFileError as error:
                log.warning("writer_key.unreadable", path=str(path), error=error.message)
                continue
            keys.setdefault(key_id(public), WriterKey(path.stem, public))
        return keys
