"""What every spool promises, and what the one in files adds."""

import asyncio
import json

import pytest

from metaqore_governance_core.group import parse_group, verify_group
from metaqore_governance_core.receipts import parse_token, token, verify, verify_record
from metaqore_governance_core.writer_state import RecordOutOfOrderError
from metaqore_mesh.spool import (
    SEALED,
    BrokerSpool,
    RecordTooLarge,
    Shipper,
    SpoolClosed,
    SpoolFull,
    SpoolLocked,
    SpoolTrimmed,
)

SMALL = {"disk_bytes": 80_000, "segment_bytes": 4_000, "outcome_bytes": 1_500}


async def take(spool, from_sequence, through):
    """The groups from `from_sequence` to the one that holds `through`."""
    found = []
    async for group in spool.read(from_sequence):
        found.append(group)
        if group.last_sequence >= through:
            break
    return found


def sequences(groups):
    return [record["sequence"] for group in groups for record in json.loads(group.value)["records"]]


class SpoolContract:
    """Every spool passes these: subclass it and give the `make` fixture."""

    async def test_records_are_numbered_in_the_order_of_their_appends(self, make):
        spool = await make.spool()
        waiting = [spool.append(f"org_{n % 2}", make.decision(n, f"org_{n % 2}")) for n in range(10)]
        assert [done.sequence for done in await asyncio.gather(*waiting)] == list(range(1, 11))
        records = [record for group in await take(spool, 1, 10) for record in json.loads(group.value)["records"]]
        assert [record["task"] for record in records] == [str(n) for n in range(10)]
        assert [record["organization_sequence"] for record in records] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]

    async def test_a_receipt_verifies_by_the_writers_key_and_fits_its_record(self, make):
        spool = await make.spool()
        done = await asyncio.gather(*(spool.append("org_a", make.decision(n)) for n in range(7)))
        groups = {group.first_sequence: parse_group(group.value) for group in await take(spool, 1, 7)}
        for n, appended in enumerate(done):
            receipt = parse_token(token(appended.receipt(f"receipt-{n}", "org_a", str(n))))
            verify(receipt, make.key.public_bytes)
            group = groups[receipt.head.first_sequence]
            verify_record(receipt, group.records[receipt.sequence - receipt.head.first_sequence])

    async def test_every_group_that_is_read_verifies(self, make):
        spool = await make.spool()
        await asyncio.gather(*(spool.append("org_a", make.decision(n)) for n in range(30)))
        groups = await take(spool, 1, 30)
        for group in groups:
            parsed = parse_group(group.value)
            assert (parsed.head.first_sequence, parsed.head.count) == (group.first_sequence, group.count)
            verify_group(parsed, make.key.public_bytes)
        assert sequences(groups) == list(range(1, 31))

    async def test_what_is_not_built_uses_no_number(self, make):
        spool = await make.spool()

        def fails(numbers):
            raise ZeroDivisionError(numbers)

        with pytest.raises(ZeroDivisionError):
            await spool.append("org_a", fails)
        with pytest.raises(RecordTooLarge):
            await spool.append("org_a", make.decision(1, reasons=["x" * 70_000]))
        with pytest.raises(UnicodeEncodeError):
            await spool.append("org_a", make.decision("\ud800"))
        with pytest.raises(RecordOutOfOrderError):
            await spool.append("org_a", make.outcome(1, b"\0" * 32))
        with pytest.raises(ValueError, match="another organization"):
            await spool.append("org_b", make.decision(1))
        assert (await spool.append("org_a", make.decision(1))).sequence == 1
        assert spool.state.organization_sequences == {"org_a": 1}

    async def test_the_largest_record_is_taken(self, make):
        spool = await make.spool()
        await spool.append("org_a", make.decision(1))
        size = len(parse_group((await take(spool, 1, 1))[0].value).records[0])
        await spool.append("org_a", make.decision(2, reasons=["x" * (65_535 - size - 2)]))
        assert len(parse_group((await take(spool, 2, 2))[0].value).records[0]) == 65_535
        with pytest.raises(RecordTooLarge):
            await spool.append("org_a", make.decision(3, reasons=["x" * (65_535 - size - 1)]))

    async def test_a_cancelled_append_is_written_all_the_same(self, make):
        spool = await make.spool()

        async def appends(n):
            await spool.append("org_a", make.decision(n))

        tasks = [asyncio.create_task(appends(n)) for n in range(6)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["CancelledError", "NoneType"] * 3
        assert sequences(await take(spool, 1, 6)) == [1, 2, 3, 4, 5, 6]
        assert len(spool.state.open) == 6

    async def test_an_outcome_closes_its_decision(self, make):
        spool = await make.spool()
        decided = await spool.append("org_a", make.decision("t"))
        assert spool.state.open["t"].receipt == "receipt-t"
        await spool.append("org_a", make.outcome("t", decided.leaf_hash))
        assert spool.state.open == {}

    async def test_a_full_spool_refuses_keeps_what_it_has_and_ends_what_was_begun(self, make):
        spool = await make.spool(limits=SMALL)
        decided = {}

        async def fill():
            for n in range(100):
                decided[n] = await spool.append("org_a", make.decision(n))

        with pytest.raises(SpoolFull):
            await fill()
        assert 5 < len(decided) < 60
        for n, appended in decided.items():
            await spool.append("org_a", make.outcome(n, appended.leaf_hash))
        assert spool.disk_bytes <= SMALL["disk_bytes"]
        assert sequences(await take(spool, 1, 2 * len(decided))) == list(range(1, 2 * len(decided) + 1))

    async def test_commands_leave_the_room_that_outcomes_need(self, make):
        spool = await make.spool(limits=SMALL)
        decided = [await spool.append("org_a", make.decision(n)) for n in range(5)]

        async def fill():
            for n in range(200):
                await spool.append("org_a", make.command(n))

        with pytest.raises(SpoolFull):
            await fill()
        for n, appended in enumerate(decided):
            await spool.append("org_a", make.outcome(n, appended.leaf_hash))
        assert spool.disk_bytes <= SMALL["disk_bytes"]

    @pytest.mark.parametrize("kind", ["decision", "command"])
    async def test_one_that_refuses_says_that_it_is_full_until_there_is_room(self, make, kind):
        spool = await make.spool(limits=SMALL)

        async def fill():
            for n in range(200):
                await spool.append("org_a", getattr(make, kind)(n))

        assert spool.readiness() is None
        with pytest.raises(SpoolFull):
            await fill()
        assert spool.readiness() == "the spool is full"
        if kind == "command":
            spool.release(SEALED, spool.durable_through)
            async with asyncio.timeout(10):
                while spool.readiness() is not None:
                    await asyncio.sleep(0.01)
            await spool.append("org_a", make.command("again"))

    async def test_what_all_holders_released_makes_room(self, make):
        spool = await make.spool(limits=SMALL, holders=("sealed", "projected"))
        for n in range(200):
            appended = await spool.append("org_a", make.decision(n))
            await spool.append("org_a", make.outcome(n, appended.leaf_hash))
            spool.release("sealed", spool.durable_through)
            spool.release("projected", spool.durable_through)
            await asyncio.sleep(0.001)
        assert spool.durable_through == 400

    async def test_what_one_holder_needs_stays(self, make):
        spool = await make.spool(limits=SMALL, holders=("sealed", "projected"))
        for n in range(20):
            await spool.append("org_a", make.decision(n))
        spool.release("sealed", 20)
        await asyncio.sleep(0.02)
        assert sequences(await take(spool, 1, 20)) == list(range(1, 21))
        spool.release("projected", 12)
        await asyncio.sleep(0.05)
        assert 1 < spool.first_sequence <= 13
        assert sequences(await take(spool, 13, 20))[-8:] == list(range(13, 21))

    async def test_an_unknown_holder_releases_nothing(self, make):
        spool = await make.spool()
        with pytest.raises(KeyError):
            spool.release("nobody", 1)

    async def test_readers_have_places_of_their_own_and_wait_for_what_comes(self, make):
        spool = await make.spool()
        ahead = asyncio.create_task(take(spool, 1, 4))
        later = asyncio.create_task(take(spool, 3, 4))
        await asyncio.sleep(0)
        for n in range(4):
            await spool.append("org_a", make.decision(n))
        assert sequences(await ahead) == [1, 2, 3, 4]
        assert sequences(await later) == [3, 4]

    async def test_a_place_inside_a_group_gives_the_whole_group(self, make):
        spool = await make.spool()
        await asyncio.gather(*(spool.append("org_a", make.decision(n)) for n in range(8)))
        last = (await take(spool, 1, 8))[-1]
        assert (await take(spool, 8, 8))[0] == last

    async def test_a_reader_that_is_cancelled_leaves_the_others_waiting(self, make):
        spool = await make.spool()
        first, second = (asyncio.create_task(take(spool, 1, 1)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await spool.append("org_a", make.decision(1))
        assert sequences(await second) == [1]

    async def test_too_many_that_wait_are_refused_but_outcomes_are_not(self, make):
        spool = await make.spool(limits={"waiting_records": 10})
        decided = await spool.append("org_a", make.decision("first"))

        def flood():
            for n in range(1000):
                spool.append("org_a", make.decision(n))

        with pytest.raises(SpoolFull) as refused:
            flood()
        assert refused.value.retryable
        await spool.append("org_a", make.outcome("first", decided.leaf_hash))
        await spool.append("org_a", make.decision("again"))

    async def test_too_many_commands_that_wait_are_refused(self, make):
        spool = await make.spool(limits={"waiting_records": 10})

        def flood():
            for n in range(1000):
                spool.append("org_a", make.command(n))

        with pytest.raises(SpoolFull):
            flood()

    async def test_closing_makes_durable_what_waits_and_refuses_the_rest(self, make):
        spool = await make.spool()
        waiting = [spool.append("org_a", make.decision(n)) for n in range(50)]
        await spool.close()
        assert [done.sequence for done in await asyncio.gather(*waiting)] == list(range(1, 51))
        with pytest.raises(SpoolClosed):
            spool.append("org_a", make.decision("late"))
        assert sequences(await take(spool, 1, 50)) == list(range(1, 51))
        with pytest.raises(SpoolClosed):
            await take(spool, 51, 51)
        assert spool.readiness()
        await spool.close()

    async def test_a_writer_goes_on_where_it_stopped(self, make):
        spool = await make.spool(limits=SMALL)
        decided = [await spool.append("org_a", make.decision(n)) for n in range(9)]
        state = spool.state.copy()
        await spool.close()
        again = await make.spool(limits=SMALL)
        assert again.state == state
        await again.append("org_a", make.outcome(3, decided[3].leaf_hash))
        assert again.durable_through == 10
        assert sequences(await take(again, 1, 10)) == list(range(1, 11))


class TestFileSpool(SpoolContract):
    """On both event loops: see `conftest.py`."""

    async def test_two_processes_do_not_write_one_spool(self, make):
        spool = await make.spool()
        with pytest.raises(SpoolLocked):
            await make.spool()
        await spool.close()
        await make.spool()

    async def test_a_reader_far_behind_reads_the_disk(self, make):
        spool = await make.spool(limits={"tail_bytes": 3_000, "segment_bytes": 5_000, "disk_bytes": 10_000_000})
        for n in range(200):
            await spool.append("org_a", make.decision(n))
        assert sequences(await take(spool, 1, 200)) == list(range(1, 201))
        assert sequences(await take(spool, 100, 200)) == list(range(100, 201))
        assert len(list(make.directory.glob("*.seg"))) > 10

    async def test_what_is_gone_is_said_to_be_trimmed(self, make):
        spool = await make.spool(limits={**SMALL, "tail_bytes": 1})
        for n in range(20):
            await spool.append("org_a", make.decision(n))
        spool.release("sealed", 12)
        await asyncio.sleep(0.05)
        with pytest.raises(SpoolTrimmed, match=f"begins at {spool.first_sequence}"):
            await take(spool, 1, 20)

    async def test_the_newest_segment_is_never_removed(self, make):
        spool = await make.spool(limits=SMALL)
        for n in range(20):
            await spool.append("org_a", make.decision(n))
        spool.release("sealed", 1_000)
        await spool.close()
        (left,) = make.directory.glob("*.seg")
        again = await make.spool(limits=SMALL)
        assert again.state.next_sequence == 21
        assert len(again.state.open) == 20
        assert int(left.stem) > 1

    async def test_files_are_for_their_owner_alone(self, make):
        spool = await make.spool()
        await spool.append("org_a", make.decision(1))
        assert {path.stat().st_mode & 0o777 for path in make.directory.iterdir()} == {0o600}
        assert make.directory.stat().st_mode & 0o777 == 0o700


class AckingBroker:
    """Acks whatever it is sent; nothing is ever sealed."""

    async def send(self, topic, key, value, headers=()):
        assert topic
        assert key
        assert value
        assert headers
        ack = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ack.set_result, None)
        return ack

    async def progress(self, writer):
        assert writer
        return 0


class TestBrokerSpool(SpoolContract):
    """The one that waits for the broker, too."""

    @pytest.fixture
    async def make(self, make):
        shipping = []

        class Makes:
            decision, outcome = staticmethod(make.decision), staticmethod(make.outcome)
            command = staticmethod(make.command)
            key, directory = make.key, make.directory

            async def spool(self, **options):
                inner = await make.spool(**options)
                broker = AckingBroker()
                shipper = Shipper(inner, broker, broker.progress)
                shipping.append(asyncio.create_task(shipper.run()))
                return Both(inner, shipper)

        class Both(BrokerSpool):
            """With what the contract asks of the spool underneath."""

            def __getattr__(self, name):
                return getattr(self._spool, name)

        yield Makes()
        for task in shipping:
            task.cancel()
            await asyncio.wait([task])

    async def test_no_append_returns_before_the_brokers_ack(self, make):
        spool = await make.spool()
        held = asyncio.get_running_loop().create_future()

        async def send(*_):
            return held

        spool._shipper._publisher.send = send
        waiting = spool.append("org_a", make.decision(1))
        await spool._spool.wait_for(1)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert spool.durable_through == 0
        held.set_result(None)
        assert (await waiting).sequence == 1
        assert spool.durable_through == 1

    async def test_without_acks_decisions_are_refused_and_outcomes_are_not(self, make):
        spool = await make.spool()
        decided = await spool.append("org_a", make.decision("first"))
        spool._unacked_records = 2
        held = asyncio.get_running_loop().create_future()

        async def send(*_):
            return held

        spool._shipper._publisher.send = send
        waiting = [spool.append("org_a", make.decision(n)) for n in range(2)]
        with pytest.raises(SpoolFull, match="wait for the broker"):
            spool.append("org_a", make.decision("more"))
        waiting.append(spool.append("org_a", make.outcome("first", decided.leaf_hash)))
        held.set_result(None)
        assert [done.sequence for done in await asyncio.gather(*waiting)] == [2, 3, 4]
