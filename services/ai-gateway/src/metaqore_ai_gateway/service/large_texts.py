"""Which texts are scanned beside the event loop."""

from __future__ import annotations

from typing import Final

LARGE_TEXT_BYTES: Final = 256 * 1024
"""From here on a text is scanned in a thread, so that the others do not wait for it."""
