"""Who watches is given each event, from wherever it left off, in order, and never another organization's."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from metaqore_ai_gateway.service.heartbeat import beating
from metaqore_ai_gateway.service.psmp import watch_hub
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_ai_gateway.service.psmp.watch_hub import Watcher
from metaqore_ai_gateway.service.psmp.watching import WatchFilter
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_events import Activated

ANN = Caller("key_1", "acme", "ann", frozenset({"psmp:read"}))


async def some(stream, count):
    async with asyncio.timeout(60):
        return [(await anext(stream)).id for _ in range(count)]


async def joined(stream, mesh):
    """The next event, asked for; once this returns, the stream watches."""
    coming = asyncio.create_task(anext(stream))
    async with asyncio.timeout(60):
        while not mesh.hub.is_watched:
            await asyncio.sleep(0)
    return coming


async def test_without_an_id_it_begins_now(mesh, relayed):
    async with mesh.watch() as stream:
        coming = await joined(stream, mesh)
        mesh.commit(relayed("garden", 3), relayed("field", 2))
        assert (await coming).id == "garden@3"
        assert await some(stream, 1) == ["field@2"]


async def test_behind_an_id_first_comes_what_came_since(mesh, relayed):
    async with mesh.watch(after=["garden@1"]) as stream:
        assert await some(stream, 1) == ["garden@2"]
        mesh.commit(relayed("garden", 3), relayed("field", 2))
        assert await some(stream, 2) == ["garden@3", "field@2"]


async def test_behind_nothing_comes_everything(mesh, relayed):
    async with mesh.watch(WatchFilter(frozenset({"garden"})), ["garden@0"]) as stream:
        assert await some(stream, 2) == ["garden@1", "garden@2"]
        mesh.commit(relayed("field", 2), relayed("garden", 3))
        assert await some(stream, 1) == ["garden@3"]


async def test_nothing_falls_between_the_past_and_the_present_and_nothing_comes_twice(mesh, relayed):
    """Events are committed, and published later, while the past is read."""
    late = []
    read = mesh.events

    async def events(caller, project, after, _):
        version = len(mesh.committed["acme", "garden"]) + 1
        if version < 12:
            mesh.hub.publish(late)
            late[:] = [relayed("garden", version)]
            mesh.commit(*late, publish=False)
        return await read(caller, project, after, 2)

    mesh.events = events
    async with mesh.watch(after=["garden@1"]) as stream:
        assert await some(stream, 10) == [f"garden@{version}" for version in range(2, 12)]
        mesh.hub.publish(late)
        mesh.commit(relayed("garden", 12))
        assert await some(stream, 1) == ["garden@12"]


async def test_a_long_past_is_read_before_anything_is_kept_for_the_watcher(mesh, relayed):
    mesh.commit(*(relayed("garden", version) for version in range(3, 1000)), publish=False)
    async with mesh.watch(WatchFilter(frozenset({"garden"})), ["garden@2"]) as stream:
        assert len(await some(stream, 900)) == 900
        assert not mesh.hub.is_watched
        assert (await some(stream, 97))[-1] == "garden@999"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (WatchFilter(frozenset({"field"})), ["field@2"]),
        (WatchFilter(names=frozenset({"artifact.Activated"})), ["garden@4"]),
        (WatchFilter(aggregate_id=artifact_id("acme", "garden", "lib")), ["garden@5"]),
        (WatchFilter(kind=Kind.TASK), ["garden@6"]),
        (WatchFilter(frozenset({"garden"}), Kind.ARTIFACT), ["garden@3", "garden@4", "garden@5"]),
    ],
)
async def test_filters_hold_for_the_past_and_the_present(mesh, relayed, wanted, ids):
    events = [
        relayed("garden", 3),
        relayed("field", 2),
        relayed("garden", 4, event=Activated("bob", 5, 1)),
        relayed("garden", 5, name="lib"),
        relayed("garden", 6),
        relayed("other", 1, organization="evil"),
    ]
    task = events[4]
    events[4] = Relayed(
        task.organization, "garden", 6, Ref(Kind.TASK, "t"), 1, task.name, task.schema, task.body, "r", 1
    )
    async with mesh.watch(wanted) as stream:
        coming = await joined(stream, mesh)
        mesh.commit(*events)
        assert [(await coming).id, *await some(stream, len(ids) - 1)] == ids
    async with mesh.watch(wanted, ["garden@2", "field@1"]) as stream:
        assert sorted(await some(stream, len(ids))) == sorted(ids)


async def test_another_organization_sees_nothing(mesh, relayed):
    other = Caller("key_2", "evil", "eve", frozenset({"psmp:read"}))
    async with mesh.watch(caller=other) as stream:
        coming = await joined(stream, mesh)
        mesh.commit(relayed("garden", 3))
        mesh.commit(relayed("garden", 1, organization="evil"))
        assert (await coming).organization == "evil"


@pytest.mark.parametrize(
    ("caller", "wanted", "after", "code"),
    [
        (Caller("k", "acme", "ann", frozenset()), WatchFilter(), [], "missing_scope"),
        (ANN, WatchFilter(frozenset({"desert"})), [], "project_not_found"),
        (ANN, WatchFilter(), ["desert@1"], "event_unknown"),
        (ANN, WatchFilter(), ["garden@3"], "event_unknown"),
        (ANN, WatchFilter(), ["garden"], "event_unknown"),
        (ANN, WatchFilter(), ["garden@9999999999999999"], "event_unknown"),
        (ANN, WatchFilter(), ["garden@1", "garden@2"], "event_repeated"),
        (Caller("k", "evil", "eve", frozenset({"psmp:read"})), WatchFilter(), ["garden@1"], "event_unknown"),
    ],
)
async def test_what_is_refused(mesh, caller, wanted, after, code):
    async with mesh.watch(wanted, after, caller) as stream:
        with pytest.raises(MetaQoreError) as refused:
            await anext(stream)
    assert refused.value.code == code
    assert not mesh.hub.is_watched


@pytest.mark.parametrize("bound", ["MOST_WAITING", "MOST_WAITING_BYTES"])
async def test_who_does_not_keep_up_is_let_go_and_can_begin_again(mesh, relayed, monkeypatch, bound):
    monkeypatch.setattr(watch_hub, bound, 3)
    async with mesh.watch() as stream:
        coming = await joined(stream, mesh)
        mesh.commit(*(relayed("garden", version) for version in range(3, 9)))
        with pytest.raises(MetaQoreError, match="behind the last event") as refused:
            await coming
        assert refused.value.code == "watcher_slow"
    assert not mesh.hub.is_watched
    async with mesh.watch(after=["garden@2"]) as stream:
        assert await some(stream, 6) == [f"garden@{version}" for version in range(3, 9)]


async def test_there_are_only_so_many(mesh_of):
    mesh = mesh_of(most=1)
    mesh.hub.begun()
    async with mesh.watch() as first, mesh.watch() as second:
        coming = await joined(first, mesh)
        with pytest.raises(MetaQoreError) as refused:
            await anext(second)
        assert refused.value.code == "too_many_watchers"
        coming.cancel()
        await asyncio.wait([coming])
    assert not mesh.hub.is_watched


async def test_one_organization_leaves_half_of_the_places_to_others(mesh_of):
    hub = mesh_of(most=4).hub
    hub.begun()
    ours = [Watcher("acme", lambda _: True) for _ in range(3)]
    await hub.join(ours[0])
    await hub.join(ours[1])
    with pytest.raises(MetaQoreError, match="Your organization") as refused:
        await hub.join(ours[2])
    assert (refused.value.code, refused.value.retryable) == ("too_many_watchers", True)
    await hub.join(Watcher("other", lambda _: True))
    hub.leave(ours[0])
    await hub.join(ours[2])


async def test_nobody_waits_for_ever_for_events_that_are_not_followed(monkeypatch, mesh_of):
    monkeypatch.setattr(watch_hub, "BEGIN_S", 0.01)
    mesh = mesh_of()
    async with mesh.watch() as stream:
        with pytest.raises(MetaQoreError) as refused:
            await anext(stream)
    assert refused.value.code == "database_unavailable"
    assert not mesh.hub.is_watched


async def test_a_silent_stream_gives_signs_of_life_and_ends_with_who_reads_it(mesh, relayed):
    async with aclosing(beating(mesh.watching(ANN, WatchFilter()), 0.02)) as stream:
        assert await anext(stream) is None
        mesh.commit(relayed("garden", 3))
        assert (await anext(stream)).id == "garden@3"
        assert await anext(stream) is None
        assert mesh.hub.is_watched
    assert not mesh.hub.is_watched


async def test_signs_of_life_end_with_the_stream_and_pass_its_errors_on():
    async def two():
        yield 1
        raise ValueError("gone")

    stream = beating(two(), 5)
    assert await anext(stream) == 1
    with pytest.raises(ValueError, match="gone"):
        await anext(stream)

    async def none():
        return
        yield

    assert [one async for one in beating(none(), 5)] == []
