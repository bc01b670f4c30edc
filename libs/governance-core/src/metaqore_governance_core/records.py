"""What the audit log holds: one decision and one outcome for each task, and one record for each other command.

Fields stand in alphabetical order and hold no floats, so that an encoder which keeps them writes the canonical form of
RFC 8785. Records hold no prompt, no answer and no secret: keyed digests, sizes, kinds and counts.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.value_object import value_object

MAX_RECORD_BYTES: Final = 65_535
"""So that the log can be served as C2SP tiles, whose entries have 16-bit lengths."""

RECORD_VERSION: Final = 1


@value_object
class Numbers:
    """Where a record stands: gap-free in its writer, and in its writer's share of the organization. From 1."""

    organization_sequence: int
    sequence: int
    writer: str


@value_object
class Commitment:
    """What stands for a text: HMAC-SHA-256 under the organization's key `key_id`, in hex, and the text's size.

    Which bytes a text is: docs/commitments.md.
    """

    digest: str
    key_id: str
    size_bytes: int


@value_object
class Personal:
    """The personal fields of a record, kept apart so that a writer can encrypt them before it signs."""

    caller_name: str


@value_object
class DecisionRecord:
    """What was decided about a task, before any effect. Times are microseconds since the Unix epoch."""

    caller: str
    door: str
    findings: dict[str, int]
    kind: Literal["decision"] = field(default="decision", kw_only=True)
    model: str
    organization: str
    organization_sequence: int
    personal: Personal
    policy: str
    policy_version: str
    project: str | None
    prompt: Commitment
    reasons: tuple[str, ...]
    receipt: str
    sensitivity: str
    sensitivity_sources: tuple[str, ...]
    sequence: int
    task: str
    time_us: int
    verdict: str
    version: int = field(default=RECORD_VERSION, kw_only=True)
    writer: str


@value_object
class OutcomeRecord:
    """How a task ended. `decision` is the RFC 6962 leaf hash, in hex, of the decision that it belongs to.

    `answer` commits to what the provider said: to the bytes of its one JSON completion, or, of a stream, to its chunks'
    JSON in order with nothing between, as far as they came; None where it said nothing. On REST these are the
    response's body, and the data of its events without the last, `[DONE]`. docs/commitments.md has the exact bytes.
    """

    answer: Commitment | None
    attempts: int
    completion_tokens: int | None
    decision: str
    duration_us: int
    error: str | None
    finish_reason: str | None
    kind: Literal["outcome"] = field(default="outcome", kw_only=True)
    locality: str | None
    model: str | None
    organization: str
    organization_sequence: int
    prompt_tokens: int | None
    provider: str | None
    receipt: str
    sequence: int
    state: str
    task: str
    time_us: int
    version: int = field(default=RECORD_VERSION, kw_only=True)
    writer: str


@value_object
class CommandRecord:
    """What was decided about a command that is no task, before its effect. No outcome follows; its events do.

    `tool` and `verb` are those that policy was asked about, as `psmp.artifact` and `propose`. `target` names what the
    command is about, each as `<aggregate>:<id>`, never by a name that a person chose; where there are more than the
    record has room for, it names what holds them all. `body` commits to the whole command: docs/commitments.md.
    """

    body: Commitment
    caller: str
    door: str
    findings: dict[str, int]
    kind: Literal["command"] = field(default="command", kw_only=True)
    organization: str
    organization_sequence: int
    personal: Personal
    policy: str
    policy_version: str
    project: str | None
    reasons: tuple[str, ...]
    receipt: str
    sensitivity: str
    sensitivity_sources: tuple[str, ...]
    sequence: int
    target: tuple[str, ...]
    time_us: int
    tool: str
    verb: str
    verdict: str
    version: int = field(default=RECORD_VERSION, kw_only=True)
    writer: str


Record = DecisionRecord | OutcomeRecord | CommandRecord

_RECORD: Final[TypeAdapter[Record]] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def parse_record(raw: bytes) -> Record:
    """The record in its canonical bytes. Fields that this version does not know are left out; the bytes keep them.

    Raises `MetaQoreError` `record_invalid`, which names the field.
    """
    try:
        return _RECORD.validate_json(raw, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise MetaQoreError(
            "record_invalid", f"The audit record is not valid at {where}: {first['msg']}.", kind=ErrorKind.UNPROCESSABLE
        ) from None
