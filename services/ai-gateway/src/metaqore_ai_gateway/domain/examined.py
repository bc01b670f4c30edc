"""What was learned about a prompt before it is decided upon."""

from __future__ import annotations

from metaqore_governance_core.records import Commitment
from metaqore_governance_core.scanner import Findings
from metaqore_governance_core.value_object import value_object


@value_object
class Examined:
    """`prompt` stands for the text in records. Where the scanner failed the text is unknown, and counts as CRITICAL."""

    findings: Findings
    prompt: Commitment
    scanner_failed: bool = False

    @property
    def may_be_kept(self) -> bool:
        """Whether nothing speaks against storing the text: it was scanned, and holds no credential."""
        return not (self.scanner_failed or self.findings.holds_credential)
