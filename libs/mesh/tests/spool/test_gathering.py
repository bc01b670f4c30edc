"""Records that come together share a sync and a signature; one that comes alone does not wait."""

from __future__ import annotations

import asyncio

GATHER_S = 3.0  # far above what a slow machine takes for a group


def group_of(appended):
    return appended.receipt("r", "org_a", "t").head.first_sequence


async def test_while_several_come_at_a_time_a_group_waits_for_more(make):
    spool = await make.spool(limits={"gather_s": GATHER_S})
    burst = [spool.append("org_a", make.decision(f"burst-{number}")) for number in range(6)]
    await asyncio.gather(*burst)
    first = spool.append("org_a", make.decision("early"))
    await asyncio.sleep(GATHER_S / 100)
    second = spool.append("org_a", make.decision("late"))
    assert group_of(await first) == group_of(await second)


async def test_one_that_comes_alone_does_not_wait(make):
    spool = await make.spool(limits={"gather_s": 3600.0})
    async with asyncio.timeout(60):
        for number in range(3):
            await spool.append("org_a", make.decision(f"alone-{number}"))
