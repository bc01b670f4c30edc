"""Propose the files of answers as artifacts, on behalf of who asked, when the task is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field, replace
from typing import Final

import structlog

from metaqore_ai_gateway.domain.answer_files import AnswerFile, AnswerFiles, files_in
from metaqore_ai_gateway.service.gathered_answer import GatheredAnswer
from metaqore_ai_gateway.service.psmp.governed import CommandGate, CommandRefusedError, Given
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.contracts.psmp_artifact_commands import (
    DeclarationsSpec,
    NewVersion,
    Proposal,
    ProposeArtifacts,
    ProvenanceSpec,
)
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.value_object import value_object

MAX_WAITING_CHARACTERS: Final = 64 << 20
"""Answers that wait to be proposed are held in memory; one more is dropped and told."""

LARGE_CHARACTERS: Final = 128 * 1024
"""From here on a text is searched in a thread, so that the others do not wait for it."""

FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 10.0
ATTEMPTS: Final = 12
"""What stays away for about a minute is given up: nobody keeps the answer beyond the process."""

CUT_OFF_S: Final = 1.0
"""So long a drain waits for what it cut off: that may wait for its record, and the broker of that may be away."""

_CUT_OFF: Final = frozenset({"length", "content_filter"})

_log = structlog.get_logger()


@value_object
class AnsweredTask:
    """A task that is done, and whose files are to be proposed. `prompt` is the digest in its decision record.

    `label` is how sensitive the task was: what came of it is at least that.
    """

    task: str
    caller: Caller
    door: Door
    project: str
    model: str
    prompt: str
    label: Sensitivity | None
    finish_reason: str | None
    answer: GatheredAnswer = field(repr=False)


class AnswerProposals:
    """Works in the background. `told` hears what came of each answer: `proposed`, `no_files`, or an error's code.

    The doors have seen that each caller may write to PSMP; a task that is resumed has its caller without scopes.
    """

    def __init__(self, gate: CommandGate, told: Callable[[str], None]) -> None:
        self._gate = gate
        self._told = told
        self._waiting = 0
        self._working: set[asyncio.Task[None]] = set()

    @property
    def working(self) -> int:
        """How many answers are worked on now."""
        return len(self._working)

    def soon(self, task: AnsweredTask) -> None:
        """Propose the files of an answer, some time after this returns. Never fails, never waits."""
        size = task.answer.size_characters
        if task.answer.too_large or self._waiting + size > MAX_WAITING_CHARACTERS:
            self._failed(task, _too_large() if task.answer.too_large else _busy())
            return
        self._waiting += size
        work = asyncio.create_task(self._work(task, size), name=f"proposing the files of {task.task}")
        self._working.add(work)
        work.add_done_callback(self._working.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way. What is not done in time is given up and told."""
        if not self._working:
            return
        _, late = await asyncio.wait(self._working, timeout=timeout_s)
        for work in late:
            work.cancel()
        if late:
            await asyncio.wait(late, timeout=CUT_OFF_S)

    async def _work(self, task: AnsweredTask, size: int) -> None:
        try:
            await self._propose(task)
        except asyncio.CancelledError:
            self._failed(task, _stopping())
            raise
        except MetaQoreError as error:
            self._failed(task, error)
        except Exception:  # noqa: BLE001 - nobody waits for it who could be told
            _log.exception("answer.proposal_broke", task=task.task)
            self._told(ErrorKind.INTERNAL.value)
        finally:
            self._waiting -= size

    async def _propose(self, task: AnsweredTask) -> None:
        found = await _files_of(task)
        if found.refused:
            _log.warning("answer.paths_refused", task=task.task, paths=found.refused)
        if not found.files:
            self._told("no_files")
            return
        command = proposal_of(found.files, task)
        caller = replace(task.caller, scopes=task.caller.scopes | {Scope.PSMP_WRITE})
        raw = canonical(command.model_dump(mode="json"))
        key = f"task:{task.task}:files"
        await self._insist(
            Given(caller, task.door, command, task.project, key, label=task.label, raw=raw, task=task.task), task
        )

    async def _insist(self, given: Given, task: AnsweredTask) -> None:
        delay_s = FIRST_DELAY_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._gate(given)
            except MetaQoreError as error:
                if not error.retryable or attempt == ATTEMPTS:
                    raise
            else:
                _log.info(
                    "answer.files_proposed", task=task.task, receipt=answer.receipt, artifacts=len(answer.changed)
                )
                self._told("proposed")
                return
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _failed(self, task: AnsweredTask, error: MetaQoreError) -> None:
        receipt = error.receipt if isinstance(error, CommandRefusedError) else None
        _log.warning("answer.proposal_failed", task=task.task, error=error.code, receipt=receipt)
        self._told(error.code)


def proposal_of(files: tuple[AnswerFile, ...], task: AnsweredTask) -> ProposeArtifacts:
    """The command that offers all files together: an artifact each, named by its path."""
    provenance = ProvenanceSpec(agent=task.caller.name, model=task.model, task=task.task, prompt_digest=task.prompt)
    return ProposeArtifacts(
        name="artifact.propose",
        proposals=[
            Proposal(
                created=NewVersion(
                    artifact_name=file.path,
                    content_text=file.content.decode("utf-8"),
                    media_type=file.media_type,
                    declarations=DeclarationsSpec(paths=[file.path]),
                    provenance=provenance,
                )
            )
            for file in files
        ],
    )


async def _files_of(task: AnsweredTask) -> AnswerFiles:
    """Its files. Raises where they are not all that the model wanted to write."""
    if task.finish_reason in _CUT_OFF:
        raise MetaQoreError("answer_cut_off", "The answer was cut off, and its files with it. Allow a longer one.")
    answer = task.answer
    if answer.size_characters < LARGE_CHARACTERS:
        return files_in(answer.text, answer.calls)
    return await asyncio.to_thread(lambda: files_in(answer.text, answer.calls))


def _too_large() -> MetaQoreError:
    message = "The answer is larger than any whose files are proposed. Ask for less at a time."
    return MetaQoreError("answer_files_too_large", message, kind=ErrorKind.TOO_LARGE)


def _busy() -> MetaQoreError:
    message = "Too many answers wait to be proposed."
    return MetaQoreError("proposals_busy", message, kind=ErrorKind.EXHAUSTED)


def _stopping() -> MetaQoreError:
    message = "The gateway stopped before the files were proposed."
    return MetaQoreError("gateway_stopping", message, kind=ErrorKind.UNAVAILABLE)
