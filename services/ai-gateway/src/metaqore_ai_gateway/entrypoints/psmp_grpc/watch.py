"""`metaqore.psmp.v1.WatchService`: what happens in projects, as it happens, over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from metaqore.psmp.v1 import watch_pb2 as pb
from metaqore.psmp.v1 import watch_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import AGGREGATES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import bounded, few, invalid
from metaqore_ai_gateway.entrypoints.psmp_grpc.history_messages import event_message
from metaqore_ai_gateway.service.heartbeat import beating
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent
from metaqore_ai_gateway.service.psmp.watching import MOST_NAMED, WatchFilter
from metaqore_ai_gateway.service.while_known import CHECK_S, while_known
from metaqore_governance_core.identity import Caller
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import Authenticator, current_caller, metadata_of

HEARTBEAT_S: Final = 30
LONGEST_HEARTBEAT_S: Final = 3600


class Watch(Protocol):
    """Events of the caller's organization until it is closed; behind the events `after`, first what came since."""

    def __call__(
        self, caller: Caller, wanted: WatchFilter, after: Iterable[str] = ()
    ) -> AsyncGenerator[PastEvent, None]:
        """Raises `missing_scope`, `project_not_found`, `event_unknown`, `event_repeated`, `watcher_slow`."""
        ...


@dataclass(frozen=True, slots=True)
class WatchServicer(watch_pb2_grpc.WatchServiceServicer):
    """Parses, watches, tells."""

    watch: Watch
    authenticate: Authenticator
    check_s: float = CHECK_S

    async def Watch(
        self,
        request: pb.WatchRequest,
        context: Context,
    ) -> AsyncGenerator[pb.WatchResponse, None]:
        """Events as they are committed, and a sign of life while there are none, as long as the key is in force."""
        if request.heartbeat_s > LONGEST_HEARTBEAT_S:
            raise invalid("heartbeat_s", f"is more than {LONGEST_HEARTBEAT_S}.")
        wanted = WatchFilter(
            projects=frozenset(few(request.project_ids, "project_ids", MOST_NAMED)),
            kind=chosen(AGGREGATES, request.aggregate, "aggregate"),
            aggregate_id=bounded(request.aggregate_id, "aggregate_id"),
            names=frozenset(few(request.names, "names", MOST_NAMED)),
        )
        after = few(request.after_event_ids, "after_event_ids", MOST_NAMED)

        async def check() -> None:
            await self.authenticate(metadata_of(context))

        events = while_known(self.watch(current_caller(), wanted, after), check, self.check_s)
        async with aclosing(beating(events, request.heartbeat_s or HEARTBEAT_S)) as told:
            async for past in told:
                yield pb.WatchResponse(event=None if past is None else event_message(past))
