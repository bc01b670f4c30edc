"""Puts together what proposes the files of answers: part of the one place where ports meet adapters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from metaqore_ai_gateway.adapters.psmp_watch import count_answer_proposal
from metaqore_ai_gateway.bootstrap_psmp import Psmp
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.ports import Digests
from metaqore_ai_gateway.service.propose_answers import ProposeAnswers
from metaqore_ai_gateway.service.psmp.answer_proposals import AnswerProposals
from metaqore_ai_gateway.service.run_claim import Govern

RUNNING_PROPOSALS: Final = 256


@dataclass(frozen=True, slots=True)
class Proposing:
    """What stands around a governed task. Drain it once no task runs any more, before the records are sealed."""

    proposals: AnswerProposals
    digests: Digests

    def around(self, govern: Govern) -> Govern:
        """`govern`, with the files of answers proposed where a task asks for it."""
        return ProposeAnswers(govern, self.digests, self.proposals)

    async def drain(self, timeout_s: float) -> None:
        """Wait for what is under way; what is not done in time is given up and told."""
        await self.proposals.drain(timeout_s)


def proposing(psmp: Psmp, digests: Digests) -> Proposing:
    """On PSMP's gate, with an admission of its own: that of tasks closes before the last of them has ended."""
    gate = replace(psmp.gate, admission=Admission(RUNNING_PROPOSALS))
    return Proposing(AnswerProposals(gate, count_answer_proposal), digests)
