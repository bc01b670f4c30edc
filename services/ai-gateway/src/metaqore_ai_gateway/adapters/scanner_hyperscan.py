"""The scanner on Hyperscan: one pass over the text for all rules, then a count for each that was seen."""

from __future__ import annotations

import codecs
import re
import threading
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import hyperscan

from metaqore_ai_gateway.adapters.scanner_attachments import attached_texts
from metaqore_ai_gateway.adapters.scanner_rules import RULES, ScanRule
from metaqore_governance_core.scanner import NOTHING_FOUND, Findings
from metaqore_governance_core.unseen import DEFAULT_IGNORABLE

# Byte mode (no HS_FLAG_UTF8): the rules are ASCII, and Hyperscan's answer for malformed UTF-8 is undefined.
# One match a rule and scan is enough to know that it must count.
_FLAGS: Final = hyperscan.HS_FLAG_SINGLEMATCH

# Control characters as well, but those that part words or texts (NUL parts texts), and a terminal's colours.
_INVISIBLE: Final = re.compile(f"\x1b\\[[0-9;:]*[A-Za-z]|[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f{DEFAULT_IGNORABLE}]")
_CONTROL: Final = bytes((*range(1, 9), *range(14, 32), 127))
_TELLING: Final = _CONTROL + b"\\%"
"""What of ASCII may hide something: control characters, and what escapes begin with."""
_WIDE: Final = re.compile(rb"(?:[\t\n\r -~]\0{1,3}){8,}[\t\n\r -~]?")
"""ASCII in UTF-16 or UTF-32, of either byte order."""
_WIDE_SHARE: Final = 5
"""Every fifth byte of what holds much of that is NUL, at the least."""
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks: of what holds one, any share may be such ASCII. Those of UTF-32 hold them."""
# JSON's escapes, however often they were escaped again, and those of a URL. Backslashes before aught else match, too:
# passed over one by one, a text of nothing else would take quadratic time.
_ESCAPED: Final = re.compile(r"\\\\*+(?:u([0-9A-Fa-f]{4})|([bfnrt]))?|%([0-9A-Fa-f]{2})")

_NORMALIZED_AT_ONCE: Final = 256
"""Characters. To put marks that stand upon one letter in order takes Python quadratic time, in which no other thread
runs. Where a piece ends a mark may stay apart from its letter, which hides nothing: the rules are ASCII."""


class HyperscanScanner:
    """The port `Scanner`. The compiled rules are shared; each thread scans with scratch space of its own.

    A text is also scanned in its compatibility form (NFKC), without what nobody sees, and with the escapes of JSON
    and of URLs within it undone, so that full-width digits, a zero-width space, a tool's arguments or an address's
    parameters hide nothing; and what of it is ASCII in UTF-16 or UTF-32 is scanned as ASCII, as files from Windows are.
    So are the texts that it holds as data URLs.
    """

    def __init__(self, rules: Sequence[ScanRule] = RULES) -> None:
        self._rules = rules
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[rule.trigger.encode("ascii") for rule in rules],
            ids=list(range(len(rules))),
            flags=[_FLAGS] * len(rules),
        )
        self._scratch = hyperscan.Scratch(self._database)
        self._of_thread = threading.local()

    def scan(self, text: str | bytes) -> Findings:
        """How often each kind stands in `text`. Raises whatever kept it from seeing all of it."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8")
        counts = self._of_one(text, raw)
        for attached in attached_texts(raw):
            for kind, count in self._of_one(attached, attached).items():
                counts[kind] = counts.get(kind, 0) + count
        return Findings(counts) if counts else NOTHING_FOUND

    def _of_one(self, text: str | bytes, raw: bytes) -> dict[str, int]:
        counts, ascii_only = self._counts(raw), raw.isascii()
        if not ascii_only or len(raw.translate(None, _TELLING)) != len(raw):
            folded = _folded(text if isinstance(text, str) else text.decode("utf-8", "replace")).encode("utf-8")
            if folded != raw:
                _raise_to(counts, self._counts(folded))
        marked = not ascii_only and any(mark in raw for mark in _MARKS)
        if 0 in raw and (marked or raw.count(0) * _WIDE_SHARE > len(raw)):
            _raise_to(counts, self._counts(_narrowed(raw)))
        return counts

    def _counts(self, raw: bytes) -> dict[str, int]:
        if not raw:
            return {}
        seen: list[int] = []
        self._database.scan(raw, match_event_handler=_note, context=seen.append, scratch=self._thread_scratch())
        if not seen:
            return {}
        counted = {self._rules[index].kind: self._rules[index].count(raw) for index in seen}
        return {kind: count for kind, count in counted.items() if count}

    def _thread_scratch(self) -> Any:
        scratch = getattr(self._of_thread, "scratch", None)
        if scratch is None:
            scratch = self._of_thread.scratch = self._scratch.clone()
        return scratch


def _note(index: int, _start: int, _end: int, _flags: int, note: Any) -> None:
    note(index)


def _raise_to(counts: dict[str, int], others: dict[str, int]) -> None:
    for kind, count in others.items():
        counts[kind] = max(count, counts.get(kind, 0))


def _narrowed(raw: bytes) -> bytes:
    return b"\0".join(run.translate(None, b"\0") for run in _WIDE.findall(raw))


def _folded(text: str) -> str:
    text = _ESCAPED.sub(_unescaped, text)
    if text.isascii() and len(text.encode().translate(None, _CONTROL)) == len(text):
        return text
    text = _INVISIBLE.sub("", text)
    pieces = (text[begin : begin + _NORMALIZED_AT_ONCE] for begin in range(0, len(text), _NORMALIZED_AT_ONCE))
    return "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)


def _unescaped(escape: re.Match[str]) -> str:
    """The character of an escape. NUL parts texts, and half of a surrogate pair has no UTF-8 form: neither counts."""
    digits = escape[1] or escape[3]
    if digits is None:
        return "\n" if escape[2] else escape[0]
    code = int(digits, 16)
    return "" if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004 - the surrogates
