"""A command as a request sends it: under which key and label, and to what its sender has seen."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door, PsmpDoor
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import ReadRequest
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.problem import STALE, receipt_headers
from metaqore_ai_gateway.service.idempotency import MAX_KEY_CHARACTERS, check_key
from metaqore_ai_gateway.service.psmp.governed import Answer, Given
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.identity import Door as DoorName
from metaqore_governance_core.sensitivity import Sensitivity

if TYPE_CHECKING:
    from pydantic.main import IncEx

_REVISION: Final = re.compile(r'"([0-9]{1,16})(?:\.[0-9a-f]{16})?"')
_DIGEST_CHARACTERS: Final = 16
_ANY: Final = "*"

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=MAX_KEY_CHARACTERS,
        description="A repeat with the same key and content gets the first answer again. A UUID is a good one.",
    ),
]
_Label = Annotated[
    str | None,
    Header(
        alias="X-MetaQore-Sensitivity",
        description="Raises the sensitivity of what is sent, never lowers it.",
        json_schema_extra={"enum": [level.name for level in Sensitivity]},
    ),
]
_IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=64,
        description='The ETag of what the sender has seen, as `"3"`; `*` takes whatever is there. Stale is 412.',
        examples=['"3"'],
    ),
]


def _checked_key(idempotency_key: _Key = None) -> str:
    if idempotency_key is not None:
        check_key(idempotency_key)
    return idempotency_key or ""


IdempotencyKey = Annotated[str, Depends(_checked_key)]
"""The key of a request, empty where it has none."""


def etag(revision: int, shown: BaseModel | None = None) -> str:
    """The entity tag of a revision, with a digest of what is shown: not all of that is of the revision.

    `If-Match` reads the revision alone.
    """
    if shown is None:
        return f'"{revision}"'
    digest = hashlib.sha256(shown.model_dump_json().encode()).hexdigest()
    return f'"{revision}.{digest[:_DIGEST_CHARACTERS]}"'


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends the commands of one request, and puts their receipt in its answer's headers."""

    door: PsmpDoor
    caller: Caller
    response: Response
    key: str
    label: Sensitivity | None
    raw: bytes = field(repr=False)
    seen: int | None = None

    @property
    def may_write(self) -> bool:
        """Whether its key has the scope of every command. Who lacks it is denied on record, and nothing is read for it
        before: that would be refused for want of another scope, and leave no record.
        """
        return Scope.PSMP_WRITE in self.caller.scopes

    async def __call__(
        self, command: Command, *, project: str = "", dry_run: bool = False, unsaid: IncEx | None = None
    ) -> Answer:
        """Let it through the gate; `unsaid` are the fields that the request left to us. Raises what that raises."""
        answer = await self.door.gate(
            Given(
                caller=self.caller,
                door=DoorName.REST,
                command=command,
                project=project,
                key=self.key,
                dry_run=dry_run,
                label=self.label,
                raw=self.raw,
                unsaid=unsaid,
            )
        )
        self.response.headers.update(receipt_headers(answer.receipt, answer.receipt_token))
        self.response.headers["x-metaqore-project-version"] = str(answer.project_version)
        if answer.changed and not dry_run:
            self.response.headers["etag"] = etag(answer.changed[0].revision)
        return answer

    def expected(self, in_body: int | None) -> int | None:
        """The revision that the sender has seen. Raises `expected_version_differs` where it names two."""
        if self.seen is not None and in_body is not None and self.seen != in_body:
            raise MetaQoreError(
                "expected_version_differs", "If-Match and expected_version name two versions. Send one of them."
            )
        return self.seen if in_body is None else in_body

    def created(self, path: str, *, dry_run: bool) -> None:
        """Something was made, and is found at `path` from now on; nothing was in a dry run."""
        self.response.status_code = 200 if dry_run else 201
        if not dry_run:
            self.response.headers["location"] = path


def _sending(  # noqa: PLR0917 - FastAPI gives each by its name
    request: Request,
    door: Door,
    caller: KnownCaller,
    response: Response,
    key: IdempotencyKey,
    label: _Label = None,
) -> Sender:
    level = None if label is None else Sensitivity.parse(label)
    raw = request.raw if isinstance(request, ReadRequest) else b""
    return Sender(door, caller, response, key, level, raw)


Sending = Annotated[Sender, Depends(_sending)]
"""For commands that make something."""


def _changing(sender: Sending, if_match: _IfMatch = None) -> Sender:
    return replace(sender, seen=_seen(if_match))


Changing = Annotated[Sender, Depends(_changing)]
"""For commands to something; they may say what their sender has seen."""


def _matching(sender: Changing, if_match: _IfMatch = None) -> Sender:
    if if_match is None:
        raise MetaQoreError(
            "if_match_missing",
            "Send If-Match with the ETag of what you have read, so that nobody's change is lost.",
        )
    return sender


Matching = Annotated[Sender, Depends(_matching)]
"""For PATCH and DELETE: they must say so."""


def _seen(if_match: str | None) -> int | None:
    """The revision in `If-Match`, None where any will do. Raises `version_stale`, `if_match_invalid`."""
    if if_match is None or if_match.strip() == _ANY:
        return None
    tag = if_match.strip()
    if "," in tag:
        raise MetaQoreError("if_match_invalid", "Send one ETag in If-Match, as you have read it.")
    found = _REVISION.fullmatch(tag)
    if found is None or int(found.group(1)) > MAX_EXACT_INTEGER:  # a tag that nothing here has ever had
        raise MetaQoreError(
            STALE,
            'The ETag in If-Match is none of this. Read again, and send its ETag, as in If-Match: "3".',
            kind=ErrorKind.CONFLICT,
        )
    return int(found.group(1))
