"""Watching what happens: first what came since, then each event as it is committed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final

from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT, read_event_id
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent, Readings
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_ai_gateway.service.psmp.watch_hub import Watcher, WatchHub
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.psmp.event_codec import EVENT_CLASSES, name_of

PAGE: Final = 200
"""So much of the past is read at once."""

MOST_NAMED: Final = 200
"""So many projects, names and events a watcher may name, of each."""


def check_event_names(names: frozenset[str]) -> None:
    """Raises `event_name_unknown` for a name that no event has: nothing would ever come of it."""
    unknown = names - EVENT_CLASSES.keys()
    if unknown:
        near = get_close_matches(min(unknown), EVENT_CLASSES, n=1, cutoff=0.4)
        meant = f" Did you mean {near[0]}?" if near else ""
        message = f"No event has this name.{meant} docs/events.md has them all."
        raise MetaQoreError("event_name_unknown", message, reasons=tuple(sorted(unknown)))


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """What is watched; what is empty or None does not narrow it. `names` are such as `artifact.Activated`."""

    projects: frozenset[str] = frozenset()
    kind: Kind | None = None
    aggregate_id: str = ""
    names: frozenset[str] = frozenset()

    def wants(self, event: Relayed) -> bool:
        """Whether it is among them."""
        return (
            (not self.projects or event.project in self.projects)
            and (self.kind is None or event.of.kind is self.kind)
            and (not self.names or event.name in self.names)
            and (not self.aggregate_id or event.aggregate_id == self.aggregate_id)
        )

    def wanted(self, event: PastEvent) -> bool:
        """The same of an event of the past."""
        return (
            (not self.projects or event.project in self.projects)
            and (self.kind is None or event.happened.of.kind is self.kind)
            and (not self.names or name_of(event.happened.event) in self.names)
            and (not self.aggregate_id or event.aggregate_id == self.aggregate_id)
        )


@dataclass(frozen=True, slots=True)
class Watching:
    """The use case behind every door through which one can watch."""

    hub: WatchHub
    readings: Readings

    async def __call__(
        self, caller: Caller, wanted: WatchFilter, after: Iterable[str] = ()
    ) -> AsyncGenerator[PastEvent, None]:
        """Events of the caller's organization, each at least once and in its project's order, until it is closed.

        Behind the events `after`, at most one of each project, first what came since; other projects begin now, or a
        moment earlier. The id `<project>@0` stands before a project's first event. Raises `watcher_slow`,
        `too_many_watchers`, and what `check` raises.
        """
        places = await self.check(caller, wanted, after)
        if wanted.projects and wanted.projects <= places.keys():
            # Nobody has to keep for it meanwhile what happens now: a long past is read before it watches.
            async for event in self._past(caller, wanted, places):
                yield event
        watcher = Watcher(caller.organization, partial(_is_new, wanted, places))
        await self.hub.join(watcher)
        try:
            async for event in self._past(caller, wanted, places):
                yield event
            while True:
                for one in await watcher.take():
                    if one.version > places.get(one.project, 0):
                        yield one.past()
        finally:
            self.hub.leave(watcher)

    async def check(self, caller: Caller, wanted: WatchFilter, after: Iterable[str] = ()) -> dict[str, int]:
        """The versions of the projects that `after` names.

        Raises `missing_scope`, `filter_too_large`, `event_name_unknown`, `project_not_found`, `event_unknown`,
        `event_repeated`.
        """
        require_scope(caller, Scope.PSMP_READ)
        after = tuple(after)
        if max(map(len, (wanted.projects, wanted.names, after))) > MOST_NAMED:
            raise MetaQoreError("filter_too_large", f"Name at most {MOST_NAMED} projects, names and events, of each.")
        check_event_names(wanted.names)
        for project in sorted(wanted.projects - {DEFAULT_PROJECT}):
            await self.readings.project(caller, project)
        places = _places(after)
        for project, version in places.items():
            await self._check_event(caller, project, version)
        return places

    async def _past(
        self, caller: Caller, wanted: WatchFilter, places: dict[str, int]
    ) -> AsyncGenerator[PastEvent, None]:
        """What came behind `places`, which move on."""
        for project in sorted(places):
            if wanted.projects and project not in wanted.projects:
                continue
            while page := await self.readings.events(caller, project, places[project], PAGE):
                for event in page:
                    places[project] = event.happened.version
                    if wanted.wanted(event):
                        yield event

    async def _check_event(self, caller: Caller, project: str, version: int) -> None:
        """Raise `event_unknown` where the project has no such event."""
        if project == DEFAULT_PROJECT and version == 0:
            return  # it is made when it is first needed
        try:
            found = await self.readings.events(caller, project, max(version - 1, 0), 1)
        except MetaQoreError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
            found = ()
        if not found:
            raise MetaQoreError(
                "event_unknown",
                f"Your organization has no event {project}@{version}. Begin without it.",
                kind=ErrorKind.NOT_FOUND,
            )


def _is_new(wanted: WatchFilter, places: Mapping[str, int], event: Relayed) -> bool:
    return event.version > places.get(event.project, 0) and wanted.wants(event)


def _places(after: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for id_ in after:
        project, version = read_event_id(id_)
        if project in places:
            raise MetaQoreError("event_repeated", f"Name one event of the project {project}, the last that you have.")
        places[project] = version
    return places
