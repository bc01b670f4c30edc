"""Aggregates of a project one after another, and a page of those that are wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.lookup_ports import Among, Catalog
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.work import WorkState

BATCH: Final = 200
LOOKED_AT: Final = 2_000
"""So many are looked at for one page. Where few of them are wanted, it is short, and the next one goes on behind it."""


async def walk(
    catalog: Catalog,
    organization: str,
    among: Among,
    after: str = "",
    *,
    standing: Phase | WorkState | None = None,
    batch: int = BATCH,
) -> AsyncGenerator[Sequence[Known], None]:
    """All of them by name, in batches. Those that do not stand so are left out where that is known beforehand.

    It is known for the newest version alone; so look at each.
    """
    while True:
        page: Sequence[Known] | None = None
        if standing is not None:
            page = await catalog.page_standing(organization, among, standing, after, batch)
        if page is None:
            standing = None
            page = await catalog.page(organization, among, after, batch)
        yield page
        if len(page) < batch:
            return
        after = page[-1].ref.id


async def page_of(
    batches: AsyncGenerator[Sequence[Known], None], wanted: Callable[[Known], bool], size: int
) -> tuple[tuple[Known, ...], str]:
    """The first that are wanted, and the name behind which the next page begins; empty where there is none."""
    found: list[Known] = []
    looked_at, last = 0, ""
    async with aclosing(batches):
        async for batch in batches:
            for known in batch:
                if wanted(known):
                    if len(found) == size:
                        return tuple(found), last
                    found.append(known)
                last = known.ref.id
                looked_at += 1
            if looked_at >= LOOKED_AT:
                break
        else:
            last = ""
    return tuple(found), last


async def walk_projects(
    catalog: Catalog, organization: str, after: str = "", *, batch: int = BATCH
) -> AsyncGenerator[Sequence[Known], None]:
    """All projects of an organization by id, in batches."""
    while True:
        page = await catalog.projects(organization, after, batch)
        yield page
        if len(page) < batch:
            return
        after = page[-1].id
