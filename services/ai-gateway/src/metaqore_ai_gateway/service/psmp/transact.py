"""Several submissions for one project in one transaction: each happens whole or not at all, and stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from metaqore_ai_gateway.service.idempotency import body_differs
from metaqore_ai_gateway.service.psmp.asked import Kind, Outcome, Ref, Submission
from metaqore_ai_gateway.service.psmp.conduct import Conduct
from metaqore_ai_gateway.service.psmp.judging import keys_of
from metaqore_ai_gateway.service.psmp.ports import Answered, ProjectStore, ProjectTransaction
from metaqore_ai_gateway.service.psmp.workspace import Workspace
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_commands import Activation, Draft, Propose
from metaqore_governance_core.psmp.artifact_state import Artifact, Content
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey

Result = Outcome | MetaQoreError


async def transact(store: ProjectStore, submissions: Sequence[Submission]) -> list[Result]:
    """The outcome or the refusal of each, in their order, once all is committed. They are for one project."""
    first = submissions[0]
    async with store.open(first.organization, first.project) as transaction:
        return await _Shared(transaction, first.organization, first.project).run(submissions)


class _Shared:
    def __init__(self, transaction: ProjectTransaction, organization: str, project: str) -> None:
        self._transaction = transaction
        self._workspace = Workspace(transaction, organization, project)
        self._before: dict[str, Answered] = {}
        self._answers: dict[str, Answered] = {}
        self._results: dict[str, Result] = {}

    async def run(self, submissions: Sequence[Submission]) -> list[Result]:
        asked = [one.repeatable for one in submissions if one.repeatable]
        if asked:
            self._before.update(await self._transaction.answers(asked))
        await self._read_ahead(submissions)
        results = [await self._answered(one) for one in submissions]
        changes = self._workspace.changes(self._answers)
        if changes.events or changes.answers:
            await self._transaction.write(changes)
        return results

    async def _read_ahead(self, submissions: Sequence[Submission]) -> None:
        """Read together what the submissions will need one after another."""
        refs = {asked.of for one in submissions for asked in one.asked}
        await self._workspace.fetch([self._workspace.project_ref, *refs])
        await self._workspace.fetch_bodies(await self._named_bodies(submissions))
        keys: set[ConflictKey] = set()
        for one in submissions:
            try:
                for content in await self._judged_contents(one):
                    keys |= keys_of(one.organization, one.project, content)
            except MetaQoreError:
                continue  # it is refused for this when its turn comes
        await self._workspace.fetch_sample(keys)

    async def _named_bodies(self, submissions: Sequence[Submission]) -> set[str]:
        """Texts that are to be kept already: of drafts that bring none, and of what is offered or to count."""
        lasting = [asked for one in submissions if not one.dry_run for asked in one.asked]
        drafts = [asked.command for asked in lasting if asked.body is None and isinstance(asked.command, Draft)]
        named = {draft.content.body.digest for draft in drafts}
        for one in submissions:
            named.update(content.body.digest for content in await self._offered(one))
        return named

    async def _judged_contents(self, submission: Submission) -> Iterable[Content]:
        drafted = [asked.command.content for asked in submission.asked if isinstance(asked.command, Draft)]
        is_offered = any(isinstance(one.command, Propose | Activation) for one in submission.asked)
        return [*(drafted if is_offered else ()), *await self._offered(submission)]

    async def _offered(self, submission: Submission) -> list[Content]:
        """Of the versions that were there before, those that are to be offered or to count."""
        found = []
        for asked in submission.asked:
            if isinstance(asked.command, Propose | Activation):
                state = (await self._workspace.standing(asked.of)).state
                if isinstance(state, Artifact) and 1 <= asked.command.version <= len(state.versions):
                    found.append(state.versions[asked.command.version - 1].content)
        return found

    async def _answered(self, submission: Submission) -> Result:
        repeatable = submission.repeatable
        if repeatable is None or submission.dry_run:
            return await self._conducted(submission)
        before = self._before.get(repeatable.key)
        if before is not None:
            return await self._again(before, repeatable.digest)
        now = self._answers.get(repeatable.key)
        if now is not None:
            return self._results[repeatable.key] if now.digest == repeatable.digest else body_differs()
        first = self._workspace.version + 1
        result = await self._conducted(submission)
        refusal = result if isinstance(result, MetaQoreError) else None
        self._answers[repeatable.key] = Answered(
            repeatable.digest, first, self._workspace.version, refusal, submission.receipt_token
        )
        self._results[repeatable.key] = result
        return result

    async def _again(self, before: Answered, digest: bytes) -> Result:
        if before.digest != digest:
            return body_differs()
        if before.refusal is not None:
            return before.refusal
        return replace(await self._transaction.outcome(before), receipt_token=before.receipt_token)

    async def _conducted(self, submission: Submission) -> Result:
        self._workspace.begin()
        try:
            await Conduct(self._workspace, submission).run()
        except MetaQoreError as refusal:
            self._workspace.drop()
            if refusal.retryable:
                raise  # the database's: nobody is answered by that
            return refusal
        outcome = replace(self._workspace.outcome(), receipt_token=submission.receipt_token)
        if submission.dry_run:
            self._workspace.drop()
        else:
            self._workspace.keep(submission.id)
        return outcome


def project_ref(project: str) -> Ref:
    """The project itself, as what a command is for."""
    return Ref(Kind.PROJECT, project)
