"""A writing process that is killed leaves nothing half done, and its repeats are answered as if it had lived."""

import asyncio
import signal
import sys
import textwrap

import asyncpg
import pytest

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_governance_core.psmp.canonical_state import state_bytes

pytestmark = pytest.mark.slow

OF = ("acme", "garden")
WRITER = textwrap.dedent("""
    import asyncio, itertools, sys
    from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
    from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref, Repeatable, Submission
    from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
    from metaqore_governance_core.psmp import artifact_commands as c
    from metaqore_governance_core.psmp.actor import Actor
    from metaqore_governance_core.psmp.artifact_state import Body, Content
    from metaqore_mesh.database.pool import open_pool

    async def write(queues, writer):
        ann = Actor("ann")
        for at in itertools.count(int(sys.argv[2])):
            key = f"{writer}-{at}"
            ref = Ref(Kind.ARTIFACT, key)
            content = Content(Body("d" * 64, "k", "text/plain", 3), paths=(f"{key}.py", f"shared/{at % 5}.py"))
            asked = (Asked(ref, c.Draft(ann, at, "acme", "garden", key, content)),
                     Asked(ref, c.Propose(ann, at, NEWEST, ())))
            outcome = await queues.submit(
                Submission(key, "acme", "garden", asked, Repeatable(key, b"body"))
            )
            print(key, outcome.version, flush=True)

    async def main():
        async with open_pool(sys.argv[1], name="crash", size=2) as pool:
            queues = ProjectQueues(PostgresProjectStore(pool))
            await asyncio.gather(*(write(queues, writer) for writer in range(4)))

    asyncio.run(main())
""")


async def gone(url):
    """The server ends a dead client's last commit first: only then it is settled what was done."""
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and application_name like '%crash%'"
        ):
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def killed(url, begin, after_s):
    """What a writer said it had done until it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, url, str(begin), stdout=asyncio.subprocess.PIPE
    )
    said = [await process.stdout.readline()]
    await asyncio.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    said += (await process.stdout.read()).splitlines()
    await process.wait()
    await gone(url)
    return [tuple(line.decode().split()) for line in said if len(line.split()) == 2]


@pytest.mark.usefixtures("team")
async def test_a_killed_writer_leaves_whole_submissions_only(psmp_url, history, store):
    answered = []
    for round_, after_s in enumerate((0.1, 0.23, 0.41)):
        answered += await killed(psmp_url, round_ * 100_000, after_s)
    happened = await history.events(*OF, size=100_000)
    assert [one.version for one in happened] == list(range(1, len(happened) + 1))
    by_name = {}
    for one in happened[1:]:
        by_name.setdefault(one.of.id, []).append(type(one.event).__name__)
    assert all(names[:2] == ["Drafted", "Proposed"] for names in by_name.values())
    assert {key for key, _ in answered} <= by_name.keys()
    page = await history.page(*OF, len(happened), size=100_000)
    async with store.open(*OF) as opened:
        assert opened.version == len(happened)
        stored = await opened.aggregates([Ref(Kind.ARTIFACT, name) for name in by_name])
    assert {one.name: state_bytes(one) for one in page.artifacts} == {
        ref.id: state_bytes(one.state) for ref, one in stored.items()
    }


async def test_a_repeat_after_the_crash_is_answered_with_what_was_done(psmp_url, team, history):
    answered = await killed(psmp_url, 0, 0.2)
    before = await history.newest(*OF)
    key, version = answered[-1]
    outcome = await team.do(*team.proposal(key), key=key)  # the digest is what counts, and it is the same
    assert outcome.version == int(version)
    assert [type(one.event).__name__ for one in outcome.happened][:2] == ["Drafted", "Proposed"]
    assert await history.newest(*OF) == before
