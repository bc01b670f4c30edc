"""What the gateway's use cases need from outside, and what they may rely on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.receipts import Receipt
from metaqore_governance_core.records import Commitment, Numbers, Record
from metaqore_governance_core.value_object import value_object


class Keys(Protocol):
    """The API keys, as a snapshot in memory: no wait, no query.

    Secrets are looked up by their SHA-256, so that the time taken tells nothing about a stored one.
    """

    def find(self, secret: str) -> Caller | None:
        """The caller to whom the secret belongs; None for an unknown or revoked one."""
        ...


class ProjectNames(Protocol):
    """What people call the projects that doors know by id. A project's name never changes."""

    async def name_of(self, organization: str, project: str) -> str | None:
        """The name of the organization's project with this id; None where there is none. Raises `MetaQoreError`."""
        ...


class Appended(Protocol):
    """A record that survives a crash."""

    @property
    def sequence(self) -> int:
        """Its gap-free number among its writer's records, from 1."""
        ...

    @property
    def leaf_hash(self) -> bytes:
        """Its RFC 6962 leaf hash."""
        ...

    def receipt(self, receipt_id: str, organization: str, task: str) -> Receipt:
        """The signed promise that it is in the spool."""
        ...


class AuditSpool(Protocol):
    """Where a record becomes durable before anything acts on it."""

    def append(self, organization: str, build: Callable[[Numbers], Record]) -> Awaitable[Appended]:
        """Done only once the record survives a crash of the process and of the machine.

        `build` is called at once, with the record's numbers. A cancelled wait does not take the record back.
        Raises `SpoolFull` or `SpoolFailed` (kind unavailable): then nothing may be done on the record's strength.
        """
        ...


class Digest(Protocol):
    """The keyed digest of a text that comes in pieces."""

    def update(self, piece: bytes) -> None:
        """Take in the next piece."""
        ...

    def commitment(self) -> Commitment:
        """What stands for all pieces so far, in the order in which they came."""
        ...


class Digests(Protocol):
    """Keyed digests that stand for texts in records; each organization has a key of its own."""

    def commit(self, organization: str, text: bytes) -> Commitment:
        """What stands for `text`."""
        ...

    def running(self, organization: str) -> Digest:
        """The digest of a text that comes in pieces, before the first one."""
        ...


@value_object
class ProviderCall:
    """One call of a model. `deadline` is on the event loop's clock, in seconds; `model` is the provider's name of it.

    `body` is the OpenAI request; its `model` and `stream` are overruled by the fields here. `task` is the task's id,
    by which a provider's own log can be held against ours.
    """

    model: str
    stream: bool
    deadline: float
    body: dict[str, Any] = field(repr=False)
    traceparent: str | None = None
    task: str | None = None


class Provider(Protocol):
    """A place where models run."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def generate(self, call: ProviderCall) -> AsyncGenerator[bytes | Usage, None]:
        """Raw OpenAI JSON: every `chat.completion.chunk` of a stream, or exactly one `chat.completion`; then a `Usage`.

        - Chunks come in order and unchanged; none is lost, merged or split. The chunk that holds nothing but usage is
          there only where the body asks for it. A stream that breaks off before its end is an error, not an end.
        - Closing the generator, or cancelling the task that waits on it, ends the upstream call at once.
        - It raises `MetaQoreError` alone: `deadline_exceeded` once the deadline is past, `provider_unreachable` where
          no connection could be made, `provider_overloaded`, `provider_refused`, `context_length_exceeded`,
          `provider_failed`. Those that may be tried elsewhere are retryable. None quotes what the provider said.
        - What is read is bounded; a larger answer is `provider_failed`.
        """
        ...

    async def close(self) -> None:
        """Give back connections. Calls that still run fail."""
        ...


class Observation(Protocol):
    """What is told about one task: to metrics, to its one log line, to its trace. It never sees a text."""

    @property
    def traceparent(self) -> str | None:
        """The W3C trace context to send upstream."""
        ...

    def decided(self, decision: Decision, receipt: str) -> None:
        """The decision is durable; `receipt` is its receipt's id."""
        ...

    def answered(self) -> None:
        """The first chunk of a stream is there."""
        ...

    def concluded(self, outcome: Outcome) -> None:
        """The outcome is durable."""
        ...

    def abandoned(self, error: BaseException) -> None:
        """It ended without a durable record: of its decision, or of its outcome."""
        ...


class TaskObserver(Protocol):
    """Who is told of every task."""

    def observe(self, caller: Caller, task: ChatTask) -> Observation:
        """Begin to observe a task."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A whole HTTP answer, kept so that a repeat gets the same."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Idempotency(Protocol):
    """Which requests with an idempotency key have been seen, for 24 hours."""

    async def begin(self, organization: str, key: str, body_digest: bytes) -> StoredAnswer | None:
        """Claim the key for the body with this SHA-256, and give None: run the request, then `finish` or `release`.

        Of several that begin together exactly one gets None. Gives the stored answer where the key was finished with
        the same body. Raises `MetaQoreError` of kind conflict (`idempotency_in_flight`) while the first is running,
        and of kind unprocessable (`idempotency_body_differs`) for another body.
        """
        ...

    async def finish(self, organization: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer for repeats, at once or as soon as can be. There is nothing to release then."""
        ...

    async def release(self, organization: str, key: str) -> None:
        """Forget a claim whose request was not answered. Whatever it raises, the claim is over."""
        ...
