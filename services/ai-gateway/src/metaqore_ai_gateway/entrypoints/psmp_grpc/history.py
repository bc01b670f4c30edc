"""`metaqore.psmp.v1.HistoryService`: the past of a project over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from metaqore.psmp.v1 import history_pb2 as pb
from metaqore.psmp.v1 import history_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifact_messages import artifact_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import AGGREGATES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import bounded, few, invalid, wanted_page
from metaqore_ai_gateway.entrypoints.psmp_grpc.history_messages import change_message, event_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import exact, moment_of, timestamp
from metaqore_ai_gateway.entrypoints.psmp_grpc.project_messages import project_message, task_message
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Readings, Slice, Wanted
from metaqore_ai_gateway.service.psmp.watching import check_event_names
from metaqore_governance_core.psmp.event_codec import name_of
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

CHUNK_BYTES: Final = 1024 * 1024
LEAST_READ: Final = 200
"""How many events are read at least where only some of them are wanted."""

_ARTIFACTS: Final = "a"
_TASKS: Final = "t"


@dataclass(frozen=True, slots=True)
class HistoryServicer(history_pb2_grpc.HistoryServiceServicer):
    """Parses, reads, answers."""

    readings: Readings

    async def GetState(self, request: pb.GetStateRequest, context: Context) -> pb.GetStateResponse:  # noqa: ARG002 - gRPC hands it over
        """A page of the project: artifacts first, then tasks, all of the version that the first page was of."""
        caller, project, wanted = current_caller(), bounded(request.project_id, "project_id"), wanted_page(request)
        question = Question("state", (caller.organization, project))
        version, part, inner = question.place(wanted.token, int, str, str) or (0, _ARTIFACTS, "")
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        known = await self.readings.project(caller, project, AtVersion(version) if version else moment.point)
        at = AtVersion(known.project_version)
        artifacts: Slice[Known] = Slice(())
        tasks: Slice[Known] = Slice(())
        if part == _ARTIFACTS:
            artifacts = await self.readings.artifacts(caller, project, Wanted(inner, wanted.size), at=at)
            inner = ""
        room = wanted.size - len(artifacts.found)
        if artifacts.next:
            following = question.token(at.version, _ARTIFACTS, artifacts.next)
        elif not room:
            following = question.token(at.version, _TASKS, "")
        else:
            tasks = await self.readings.tasks(caller, project, Wanted(inner, room), at=at)
            following = question.token(at.version, _TASKS, tasks.next) if tasks.next else ""
        last = await self.readings.events(caller, project, at.version - 1, 1)
        return pb.GetStateResponse(
            project=project_message(known),
            artifacts=map(artifact_message, artifacts.found),
            tasks=map(task_message, tasks.found),
            next_page_token=following,
            version=at.version,
            commit_time=timestamp(last[0].recorded_us) if last else None,
        )

    async def GetStateForm(
        self,
        request: pb.GetStateFormRequest,
        context: Context,  # noqa: ARG002 - gRPC hands it over
    ) -> AsyncGenerator[pb.GetStateFormResponse, None]:
        """The whole state in the form of RFC 8785."""
        caller, project = current_caller(), bounded(request.project_id, "project_id")
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        version, form = await self.readings.state_form(caller, project, moment.point)
        head = pb.StateFormHead(version=version, size_bytes=len(form), sha256=hashlib.sha256(form).digest())
        yield pb.GetStateFormResponse(head=head)
        for begin in range(0, len(form), CHUNK_BYTES):
            yield pb.GetStateFormResponse(chunk=form[begin : begin + CHUNK_BYTES])

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:  # noqa: ARG002 - gRPC hands it over
        """Events behind a position; where only some are wanted, those among the next that there are."""
        caller, project, wanted = current_caller(), bounded(request.project_id, "project_id"), wanted_page(request)
        kind, id_ = chosen(AGGREGATES, request.aggregate, "aggregate"), bounded(request.aggregate_id, "aggregate_id")
        names = frozenset(few(request.names, "names"))
        check_event_names(names)
        question = Question("events", (caller.organization, project, kind, id_, sorted(names)))
        (behind,) = question.place(wanted.token, int) or (0,)
        after = max(behind, exact(request.after_version, "after_version"))
        size = max(wanted.size, LEAST_READ) if kind or id_ or names else wanted.size
        read = await self.readings.events(caller, project, after, size)
        found: list[pb.Event] = []
        for past in read:
            if len(found) == wanted.size:
                return pb.ListEventsResponse(events=found, next_page_token=question.token(past.happened.version - 1))
            if kind not in {None, past.happened.of.kind} or id_ not in {"", past.aggregate_id}:
                continue
            if not names or name_of(past.happened.event) in names:
                found.append(event_message(past))
        following = question.token(read[-1].happened.version) if len(read) == size else ""
        return pb.ListEventsResponse(events=found, next_page_token=following)

    async def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:  # noqa: ARG002 - gRPC hands it over
        """What changed between two points."""
        caller, project, wanted = current_caller(), bounded(request.project_id, "project_id"), wanted_page(request)
        low = await moment_of(self.readings, caller, getattr(request, "from"), "from", project)
        if low.point is None:
            raise invalid("from", "is missing.")
        high = await moment_of(self.readings, caller, request.to, "to", project)
        found = await self.readings.diff(caller, project, low.point, high.point, wanted)
        return pb.DiffResponse(changes=map(change_message, found.found), next_page_token=found.next)
