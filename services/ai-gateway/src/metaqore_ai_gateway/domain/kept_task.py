"""What is kept of a claimed task until its end: enough to run it, or to decide upon it without its text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from typing import Any

from metaqore_ai_gateway.domain.chat import ChatTask, Envelope
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_governance_core.identity import Door
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.scanner import Findings
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.value_object import value_object


@value_object
class KeptTask:
    """`body` is the request as it will be forwarded, None where it may not be kept.

    A database keeps what it was once given in its write-ahead log, and its backups do for years. So a text that holds a
    credential, or that nobody could scan, never goes there. What was found in it does, and stands for it.
    """

    model: str
    deadline_s: float
    label: Sensitivity | None
    project: str | None
    findings: dict[str, int]
    scanner_failed: bool
    prompt: Commitment
    body: dict[str, Any] | None = field(repr=False)
    propose_files: bool = False


def keep(task: ChatTask, examined: Examined, known_projects: Collection[str]) -> KeptTask:
    """What may be kept of `task`. Beside its text goes a project that the policy does not know: it is text, too."""
    envelope = task.envelope
    storable = examined.may_be_kept
    return KeptTask(
        model=task.model,
        deadline_s=envelope.deadline_s,
        label=envelope.label,
        project=envelope.project if storable or envelope.project in known_projects else None,
        findings=dict(examined.findings.counts),
        scanner_failed=examined.scanner_failed,
        prompt=examined.prompt,
        body=task.body if storable else None,
        propose_files=envelope.propose_files,
    )


def restore(kept: KeptTask, task: str) -> tuple[ChatTask, Examined]:
    """The task `task` as it was claimed, and what was found in it then: it is not examined again.

    Without its text it has an empty body, and can be decided upon but not run.
    """
    envelope = Envelope(task, Door.KAFKA, kept.deadline_s, kept.label, kept.project, propose_files=kept.propose_files)
    chat = ChatTask(
        envelope=envelope,
        model=kept.model,
        stream=False,
        size_bytes=kept.prompt.size_bytes,
        body=kept.body or {},
        text="",
        digest_input=b"",
    )
    return chat, Examined(Findings(kept.findings), kept.prompt, kept.scanner_failed)
