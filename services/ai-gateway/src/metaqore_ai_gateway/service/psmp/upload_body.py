"""Take in a body: scan it as it streams, then decide and record, and only then keep it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from metaqore_ai_gateway.service.psmp.decide_command import DecideCommand, Question, denied
from metaqore_ai_gateway.service.psmp.uploads import BodyStore, StoredBody
from metaqore_governance_core.decision import lacking
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.scanner import Findings

TOOL: Final = "psmp.artifact"
VERB: Final = "upload"
_NEEDS: Final = (Scope.PSMP_WRITE,)
WINDOW_BYTES: Final = 1 << 20
OVERLAP_BYTES: Final = 16 * 1024
"""What a window has in common with the one before: longer than anything that is looked for."""
MARK_BYTES: Final = 4
"""What a text begins with, which may tell its encoding, stands at the beginning of every window."""


@dataclass(slots=True)
class _Watched:
    """A text as it goes by. What stands in the overlap of two windows is counted in both: never too little."""

    decide: DecideCommand
    counts: Counter[str] = field(default_factory=Counter)
    failed: bool = False
    _window: bytearray = field(default_factory=bytearray)

    async def pieces(self, text: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for piece in text:
            self._window += piece
            if len(self._window) >= WINDOW_BYTES:
                await self._scan()
                self._window[MARK_BYTES:-OVERLAP_BYTES] = b"\0"  # parts the two
            yield piece
        await self._scan()

    @property
    def found(self) -> Findings | None:
        return None if self.failed else Findings(dict(self.counts))

    async def _scan(self) -> None:
        window = bytes(self._window)
        found = (
            await asyncio.to_thread(self.decide.scan, window)
            if len(window) > OVERLAP_BYTES
            else (self.decide.scan(window))
        )
        if found is None:
            self.failed = True
        else:
            self.counts.update(found.counts)


@dataclass(frozen=True, slots=True)
class UploadBody:
    """The port `Uploads`."""

    bodies: BodyStore
    decide: DecideCommand

    async def put(
        self, caller: Caller, text: AsyncIterable[bytes], media_type: str, door: Door = Door.REST
    ) -> StoredBody:
        """What is refused is dropped: no row ever had its key. Without its scope nothing is read."""
        if lacking(caller, _NEEDS) is not None:
            question = Question(caller, door, TOOL, VERB, None, (), needs=_NEEDS)
            await denied(self.decide(question, b"", b""))
        watched = _Watched(self.decide)
        sealed = await self.bodies.seal(caller.organization, watched.pieces(text))
        stored = sealed.stored
        commitment = Commitment(stored.digest, stored.key_id, stored.size_bytes)
        question = Question(caller, door, TOOL, VERB, None, (f"body:{stored.digest}",), needs=_NEEDS)
        try:
            recorded = await self.decide.of_findings(question, watched.found, commitment)
        except BaseException:
            await sealed.drop()
            raise
        await sealed.keep(recorded.sensitivity)
        return replace(stored, media_type=media_type, receipt=recorded.receipt, receipt_token=recorded.receipt_token)
