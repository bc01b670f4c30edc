"""What the scanner looks for: credentials by their format, cards and IBANs by their checksum, email addresses.

Each rule has a trigger, which Hyperscan looks for in one pass over the text, and a count, which runs only where the
trigger was seen. Both read bytes, are ASCII alone, and match nothing across a NUL, which stands between two texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from metaqore_ai_gateway.adapters.scanner_checksums import count_cards, count_ibans


@dataclass(frozen=True, slots=True)
class ScanRule:
    """`count` gives how often `kind` stands in a text in which `trigger` matches somewhere."""

    kind: str
    trigger: str
    count: Callable[[bytes], int]


# Hyperscan has no lookbehind, so its boundary takes a character.
_ALONE: Final = "(?:^|[^A-Za-z0-9])"


def _credential(name: str, pattern: str) -> ScanRule:
    """A rule for a format that stands by itself."""
    compiled = re.compile(b"(?<![A-Za-z0-9])" + pattern.encode("ascii"))
    trigger = _ALONE + pattern
    return ScanRule(f"credential.{name}", trigger, lambda text: sum(1 for _ in compiled.finditer(text)))


_EMAIL: Final = r"[A-Za-z0-9_%+\x80-\xff-]@(?:[A-Za-z0-9\x80-\xff-]+\.)+[A-Za-z]{2,24}\b"
# Anchored at the sign: a pattern that began with an open-ended local part would take quadratic time.
_EMAIL_AT: Final = re.compile(rb"(?<=[A-Za-z0-9_%+\x80-\xff-])@(?:[A-Za-z0-9\x80-\xff-]++\.)+[A-Za-z]{2,24}\b")


def _count_emails(text: bytes) -> int:
    return sum(1 for _ in _EMAIL_AT.finditer(text))


RULES: Final = (
    _credential("aws_access_key", r"A(?:KIA|SIA)[A-Z0-9]{16}(?:$|[^A-Za-z0-9])"),
    _credential("github_token", r"(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})"),
    _credential("slack_token", r"x(?:ox[abeoprs]|app)-[A-Za-z0-9-]{20}"),
    _credential("anthropic_key", r"sk-ant-[A-Za-z0-9_-]{24}"),
    _credential("openai_key", r"sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{24}|[A-Za-z0-9]{32})"),
    _credential("stripe_key", r"[rs]k_live_[A-Za-z0-9]{20}"),
    _credential("google_api_key", r"AIza[A-Za-z0-9_-]{35}"),
    _credential("metaqore_key", r"mq_[A-Za-z0-9_-]{43}"),
    _credential("private_key", r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    _credential("jwt", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16}"),
    # Without the boundary every digest in hexadecimal would have its text counted.
    ScanRule("card", _ALONE + r"[0-9](?:[ -]?[0-9]){12}", count_cards),
    ScanRule("iban", _ALONE + r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11}", count_ibans),
    ScanRule("email", _EMAIL, _count_emails),
)
