"""Files within a text: data URLs in base64 (RFC 2397), as chats carry what people attach."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

_BASE64: Final = b";base64,"
_FILE: Final = re.compile(rb";base64,([A-Za-z0-9+/_\s-]*+)", re.IGNORECASE)
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SPACE: Final = b" \t\n\r\v\f"
_CONTROL: Final = bytes((*range(1, 9), *range(14, 27), *range(28, 32), 127))
"""Control characters that a text has none of; it may have NULs, in a wide encoding, and a terminal's colours."""
_CONTROL_SHARE: Final = 50
"""Of a picture, a sound or an archive every tenth byte is such a character, of a text not every fiftieth: in what is no
text, addresses and numbers would be found that nobody wrote."""


def attached_texts(raw: bytes) -> Iterator[bytes]:
    """What the data URLs in `raw` hold, where it is text."""
    if _BASE64 not in raw.lower():
        return
    for found in _FILE.finditer(raw):
        digits = found[1].translate(_STANDARD, _SPACE)
        text = binascii.a2b_base64(digits[: len(digits) - (len(digits) % 4 == 1)] + b"==")
        if (len(text) - len(text.translate(None, _CONTROL))) * _CONTROL_SHARE <= len(text):
            yield text
