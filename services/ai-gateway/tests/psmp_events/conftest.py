"""A mesh of events in memory, and those who watch it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_ai_gateway.service.psmp.watch_hub import WatchHub
from metaqore_ai_gateway.service.psmp.watching import WatchFilter, Watching
from metaqore_governance_core.canonical import canonical_plain
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_events import Rejected
from metaqore_governance_core.psmp.event_codec import encode

ANN = Caller("key_1", "acme", "ann", frozenset({"psmp:read"}))


def relayed(project, version, *, organization="acme", name="app", event=None):
    stored = encode(event or Rejected("bob", 5, 1, "no"))
    of = Ref(Kind.ARTIFACT, name)
    return Relayed(
        organization, project, version, of, version, stored.name, stored.schema, canonical_plain(stored.data), "r", 1
    )


class Mesh:
    """Projects whose events are published once they are committed."""

    def __init__(self, most=10):
        self.hub = WatchHub(most)
        self.watching = Watching(self.hub, self)
        self.committed = {}
        self.reads = []

    def commit(self, *events, publish=True):
        for event in events:
            self.committed.setdefault((event.organization, event.project), []).append(event)
        if publish:
            self.hub.publish(events)

    async def project(self, caller, project):
        if (caller.organization, project) not in self.committed:
            raise not_found("project")

    async def events(self, caller, project, after, size=100):
        await self.project(caller, project)
        self.reads.append((project, after))
        await asyncio.sleep(0)
        found = self.committed[caller.organization, project]
        return tuple(one.past() for one in found if one.version > after)[:size]

    def watch(self, wanted=None, after=(), caller=ANN):
        return aclosing(self.watching(caller, wanted or WatchFilter(), after))


@pytest.fixture(name="relayed")
def _relayed():
    return relayed


@pytest.fixture
def mesh_of():
    return Mesh


@pytest.fixture
def mesh():
    mesh = Mesh()
    mesh.hub.begun()
    mesh.commit(relayed("garden", 1), relayed("garden", 2), relayed("field", 1), publish=False)
    return mesh
