"""The Python client of PSMP: projects, artifacts, tasks, conflicts, checkpoints, and their past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import grpc
from google.protobuf.message import Message

from metaqore.psmp.v1 import artifact_pb2_grpc as artifact_grpc
from metaqore.psmp.v1 import checkpoint_pb2_grpc as checkpoint_grpc
from metaqore.psmp.v1 import conflict_pb2_grpc as conflict_grpc
from metaqore.psmp.v1 import history_pb2_grpc as history_grpc
from metaqore.psmp.v1 import project_pb2_grpc as project_grpc
from metaqore.psmp.v1 import watch_pb2_grpc as watch_grpc
from metaqore.psmp.v1 import work_pb2_grpc as work_grpc
from metaqore_cli.connection import Connection
from metaqore_cli.refusals import psmp_errors

DEADLINE_S: Final = 60.0
STREAM_DEADLINE_S: Final = 600.0
"""For calls that carry a body."""

MAX_PAGE: Final = 1000

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # A refusal names every conflict, in the trailing metadata; gRPC's own limit for that is 8 KiB.
    ("grpc.max_metadata_size", 1024 * 1024),
    ("grpc.absolute_max_metadata_size", 1024 * 1024),
)


class Service:
    """The calls of one service by their names: each takes its request and gives its response, or an iterator.

    They raise `RefusedError` for what the mesh decided against, and `MetaQoreError` for all else.
    """

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...], deadline_s: float | None) -> None:
        self._stub, self._metadata, self._deadline_s = stub, metadata, deadline_s

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        call = getattr(self._stub, name)

        def called(request: Any) -> Any:
            with psmp_errors():
                answer = call(request, timeout=self._deadline_s, metadata=self._metadata)
            return answer if isinstance(answer, Message) else _streamed(answer)

        return called


def _streamed(answers: Any) -> Iterator[Any]:
    with psmp_errors():
        yield from answers


class PsmpClient:
    """Blocking calls to one gateway. Close it, or use it as a context manager. `deadline_s` is for each call."""

    def __init__(self, connection: Connection, deadline_s: float = DEADLINE_S) -> None:
        self._channel = grpc.insecure_channel(connection.grpc, options=_OPTIONS)
        channel: Any = self._channel
        metadata = (("authorization", f"Bearer {connection.api_key}"),)
        self.projects = Service(project_grpc.ProjectServiceStub(channel), metadata, deadline_s)
        self.artifacts = Service(artifact_grpc.ArtifactServiceStub(channel), metadata, deadline_s)
        self.bodies = Service(artifact_grpc.ArtifactServiceStub(channel), metadata, STREAM_DEADLINE_S)
        self.tasks = Service(work_grpc.WorkServiceStub(channel), metadata, deadline_s)
        self.conflicts = Service(conflict_grpc.ConflictServiceStub(channel), metadata, deadline_s)
        self.checkpoints = Service(checkpoint_grpc.CheckpointServiceStub(channel), metadata, deadline_s)
        self.history = Service(history_grpc.HistoryServiceStub(channel), metadata, deadline_s)
        self.watching = Service(watch_grpc.WatchServiceStub(channel), metadata, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()


def paged(call: Callable[[Any], Any], request: Any, field: str, limit: int | None = None) -> Iterator[Any]:
    """What is in `field` of each page, at most `limit` of it; None is all. The request's page is changed."""
    left = limit
    while left is None or left > 0:
        request.page_size = MAX_PAGE if left is None else min(left, MAX_PAGE)
        page = call(request)
        found = list(getattr(page, field))
        yield from found
        left = None if left is None else left - len(found)
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
