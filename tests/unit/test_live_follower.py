"""Following the journal: what may be trusted, what happens when the journal fails, waiting for events."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC

import pytest

from alarm_engine.errors import HistoryUnavailable, JournalCorrupt, JournalError, JournalUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Fetched, Record, StoredRecord
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from alarm_engine.wire.config import encode_config
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.status import encode_status
from alarm_engine.wire.topics import Topics, status_topic
from backend.live import Live
from backend.live import ring as ring_module
from backend.live.ring import EventRing
from tests.unit.backend_world import PVS, until, world

T = Topics("Acc")
STATUS = status_topic("cell").name
START_S = 1_800_000_000


class FakeClock:
    def __init__(self) -> None:
        self.moment = Moment(Nanos(START_S * NANOS_PER_SECOND), Monotonic(50 * NANOS_PER_SECOND))

    def now(self) -> Moment:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment = self.moment.plus_s(seconds)


class WeakReader:
    """A reader that fails when it is told to."""

    def __init__(self, journal: WeakJournal, reader) -> None:
        self._journal = journal
        self._reader = reader

    async def fetch(self, **arguments):
        if self._journal.problem is not None:
            raise self._journal.problem
        fetched = await self._reader.fetch(**{**arguments, "timeout_s": 0.02})
        if self._journal.problem is not None:
            raise self._journal.problem
        return fetched

    @property
    def fault(self):
        return self._journal.fault

    async def close(self) -> None:
        await self._reader.close()


class WeakJournal(MemoryJournal):
    problem: Exception | None = None
    fault = ""
    opened = 0

    def reader(self, topics, start=None):
        self.opened += 1
        return WeakReader(self, super().reader(topics, start))


def event(n: int, epoch: int = 5, kind: EventKind = EventKind.ENGINE) -> Event:
    return Event(EventId("Acc", epoch, n), Nanos(n), kind, "/Acc", Severity.OK, Severity.OK)


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = WeakJournal()
        self.live = Live(self.journal, {"Acc": UTC}, "cell", self.clock)

    @property
    def tree(self):
        return self.live.trees["Acc"]

    async def status(self, *, age_s: float = 0, epoch: int = 5, last_event: str = "", config: str = "Acc") -> None:
        time = Nanos(self.clock.now().wall - round(age_s * NANOS_PER_SECOND))
        status = EngineStatus("e", config, epoch, time, 3, 2, 0, 0, 0, 0, 0, last_event)
        await self.journal.append([Record(STATUS, f"status:{config}", encode_status(status))])
        await self.read()

    async def events(self, *events: Event) -> None:
        await self.journal.append([Record(T.events, f"event:{e.path}", encode_event(e)) for e in events])
        await self.read()

    async def read(self) -> None:
        """Wait until everything that is in the journal has been read."""
        end = max([await self.journal.end(topic) for topic in (T.config, T.events, T.runtime, STATUS)])
        await until(lambda: max(self.tree._next.values(), default=0) >= end and not self.tree.problem)


@asynccontextmanager
async def bench(start: bool = True):
    it = Bench()
    await it.journal.ensure_topics([*T.specs(), status_topic("cell")])
    if start:
        await it.live.start()
        await until(lambda: not it.live.problems())
    try:
        yield it
    finally:
        await it.live.stop()
        await it.live.stop()


async def test_without_a_life_sign_it_is_stale():
    async with bench() as it:
        freshness = it.tree.freshness()
        assert (freshness.stale, freshness.age_s, freshness.status, freshness.as_of) == (True, None, None, None)


async def test_a_life_sign_counts_from_its_receipt_and_for_five_seconds():
    async with bench() as it:
        await it.status(age_s=100)  # the engine's clock is wrong; it has just been written all the same
        assert it.tree.freshness().age_s == 0
        assert not it.tree.freshness().stale
        it.clock.advance(4.9)
        assert it.tree.freshness().age_s == pytest.approx(4.9)
        assert not it.tree.freshness().stale
        it.clock.advance(0.2)
        assert it.tree.freshness().stale
        await it.status()
        it.clock.advance(1)
        await it.status()
        assert not it.tree.freshness().stale


async def test_a_life_sign_of_long_ago_that_is_replayed_does_not_look_alive():
    async with bench(start=False) as it:
        status = EngineStatus("e", "Acc", 5, Nanos((START_S - 60) * NANOS_PER_SECOND), 3, 2, 0, 0, 0, 0, 0, "")
        await it.journal.append([Record(STATUS, "status:Acc", encode_status(status))])
        await it.live.start()
        await it.read()
        assert it.tree.freshness().stale
        assert it.tree.freshness().age_s == pytest.approx(60)


async def test_nor_does_one_that_says_it_was_written_after_now():
    """The clock of that engine was ahead of ours: how old it is cannot be told."""
    async with bench(start=False) as it:
        status = EngineStatus("e", "Acc", 5, Nanos((START_S + 60) * NANOS_PER_SECOND), 3, 2, 0, 0, 0, 0, 0, "")
        await it.journal.append([Record(STATUS, "status:Acc", encode_status(status))])
        await it.live.start()
        await it.read()
        assert it.tree.freshness().stale
        await it.status(age_s=-60)
        assert not it.tree.freshness().stale


async def test_nor_does_one_that_is_read_after_a_long_pause():
    async with bench() as it:
        await it.status()
        it.journal.problem = JournalUnavailable("gone")
        await until(lambda: it.tree.problem)
        it.clock.advance(100)
        time = Nanos(it.clock.now().wall - 90 * NANOS_PER_SECOND)
        await it.journal.append([Record(STATUS, "status:Acc", encode_status(EngineStatus("e", "Acc", 5, time, 3, 2, 0, 0, 0, 0, 0, "")))])
        it.journal.problem = None
        await it.read()
        assert it.tree.freshness().age_s == pytest.approx(90)
        assert it.tree.freshness().stale


def life_sign(bench_: Bench, age_s: float, offset: int) -> StoredRecord:
    time = Nanos(bench_.clock.now().wall - round(age_s * NANOS_PER_SECOND))
    value = encode_status(EngineStatus("e", "Acc", 5, time, 3, 2, 0, 0, 0, 0, 0, ""))
    return StoredRecord(STATUS, offset, time, "status:Acc", value, ())


def test_life_signs_of_a_replay_in_several_parts_do_not_look_alive():
    it = Bench()
    it.tree._take(Fetched([life_sign(it, 300, 1)], False))
    it.tree._take(Fetched([life_sign(it, 200, 2)], True))
    assert it.tree.freshness().age_s == pytest.approx(200)


def test_nor_do_those_that_piled_up_while_this_process_was_stopped():
    it = Bench()
    it.tree._take(Fetched([], True))
    it.clock.advance(60)
    it.tree._take(Fetched([life_sign(it, 50, 1)], True))
    assert it.tree.freshness().age_s == pytest.approx(50)


async def test_an_engine_that_lost_the_configuration_gives_no_life_sign():
    async with bench() as it:
        await it.status(epoch=6)
        it.clock.advance(4)
        await it.status(epoch=5)
        it.clock.advance(2)
        assert it.tree.freshness().stale
        assert it.tree.freshness().status.epoch == 6


async def test_life_signs_of_other_configurations_do_not_count():
    async with bench() as it:
        await it.status(config="Other")
        assert it.tree.freshness().stale


async def test_events_that_the_engine_has_written_and_we_have_not_read_make_it_stale():
    async with bench() as it:
        await it.events(event(1))
        await it.status(last_event="Acc.5.9")
        assert not it.tree.freshness().stale
        for _ in range(3):
            it.clock.advance(2)
            await it.status(last_event="Acc.5.9")
        assert it.tree.freshness().stale
        await it.events(event(9))
        assert not it.tree.freshness().stale


async def test_a_broken_life_sign_is_counted_and_left_aside():
    async with bench() as it:
        await it.status()
        for value in (b"{", b'{"v":1}', encode_status(EngineStatus("e", "Acc", 5, Nanos(0), 1, 1, 0, 0, 0, 0, 0, "nonsense"))):
            await it.journal.append([Record(STATUS, "status:Acc", value)])
        await it.read()
        assert it.tree.broken == 3
        assert not it.tree.freshness().stale


@pytest.mark.parametrize("problem", [JournalUnavailable("locked"), JournalError("the reader of the journal is closed")])
async def test_a_journal_that_fails_makes_it_stale_and_is_asked_again(problem):
    async with bench() as it:
        await it.journal.append([Record(T.config, f"config:{path}", encode_config(s, "u", "h", UTC)) for path, s in PVS.items()])
        await it.status()
        assert not it.tree.freshness().stale
        it.journal.problem = problem
        await until(lambda: it.tree.problem)
        assert it.tree.freshness().stale
        assert it.live.problems() == {"Acc": str(problem)}
        assert set(it.tree.alarms) == set(PVS)
        it.journal.problem = None
        await it.status()
        assert not it.tree.freshness().stale
        assert set(it.tree.alarms) == set(PVS)


async def test_what_may_be_overlooked_is_said_and_does_not_blind_the_control_room():
    async with bench() as it:
        await it.status()
        it.journal.fault = "the topic has 2 partitions"
        assert it.live.problems() == {"Acc": "the topic has 2 partitions"}
        assert not it.tree.freshness().stale
        it.journal.fault = ""
        assert it.live.problems() == {}


async def test_a_corrupt_journal_is_not_asked_again_and_says_so():
    async with bench() as it:
        it.journal.problem = JournalCorrupt("page 7 is broken")
        await until(it.live.failure)
        assert isinstance(it.live.failure(), JournalCorrupt)
        assert it.live.problems() == {"Acc": "page 7 is broken"}
        assert it.tree.freshness().stale
        assert it.journal.opened == 1


async def test_waiting_ends_with_the_next_event():
    async with bench() as it:
        assert not await it.tree.wait(None, 0.02)
        waiting = asyncio.create_task(it.tree.wait(None, 5))
        await it.events(event(1))
        assert await waiting
        assert await it.tree.wait(None, 0)
        assert not await it.tree.wait(EventId("Acc", 5, 1), 0.02)
        waiting = asyncio.create_task(it.tree.wait(EventId("Acc", 5, 1), 5))
        await it.status()  # wakes it up, but is no event
        await it.events(event(1))  # written twice
        assert not waiting.done()
        await it.events(event(2))
        assert await waiting


async def test_events_are_kept_once_and_in_order():
    async with bench() as it:
        await it.events(event(1), event(2), event(2), event(1), event(3), event(1, epoch=6))
        ids = [str(e.id) for e in it.tree.recent(None)]
        assert ids == ["Acc.5.1", "Acc.5.2", "Acc.5.3", "Acc.6.1"]
        assert [str(e.id) for e in it.tree.recent(EventId("Acc", 5, 2))] == ids[2:]
        assert it.tree.recent(EventId("Acc", 6, 1)) == []
        assert it.tree.recent(EventId("Acc", 9, 9)) == []
        assert it.tree.recent(EventId("Acc", 4, 7)) is None


def test_the_ring_forgets_the_oldest_and_knows_it():
    ring = EventRing(kept=10)
    for n in range(1, 101):
        ring.append(event(n))
    kept = ring.after(None)
    assert 10 <= len(kept) <= 13
    assert kept[-1].id.n == 100
    oldest = kept[0].id
    assert ring.after(oldest) == kept[1:]
    assert ring.after(EventId("Acc", 5, oldest.n - 1)) is None
    assert ring_module.KEPT == 20_000


async def test_a_whole_site_shows_what_the_engine_decides():
    async with world() as site:
        await site.raised("/Acc/Vacuum/GC2")
        assert site.tree.nodes["/Acc/Vacuum"].severity is Severity.MAJOR
        assert site.tree.root.severity is Severity.MAJOR
        assert site.tree.freshness().status.pvs_total == 5
        await site.configure({"/Acc/Vacuum/GC2": None})
        await until(lambda: site.tree.root.severity is Severity.OK)


async def shelved_and_compacted(site) -> None:
    """GC1 is shelved, and its PV goes into alarm behind that; the journal keeps last records only, the history all events."""
    async with site.client() as client:
        answer = await client.post("/api/v1/commands", json={"command": "shelve", "path": GC1, "duration": "1h", "user": "mara"})
        assert answer.status_code == 200
    site.feed("GC1", Severity.MAJOR)
    await until(lambda: site.tree.alarms[GC1].snapshot.current.severity is Severity.MAJOR)
    await site.copy_history()
    site.journal._records = [r for r in site.journal._records if r.topic != T.events]


GC1 = "/Acc/Vacuum/GC1"


@pytest.mark.parametrize("with_history", [True, False])
async def test_what_a_shelved_alarm_hides_is_asked_from_the_history(with_history):
    async with world() as site:
        await shelved_and_compacted(site)
        later = Live(site.journal, {"Acc": UTC}, "cell", site.clock, site.history if with_history else None)
        await later.start()
        try:
            await until(lambda: not later.problems())
            snapshot = later.trees["Acc"].alarms[GC1].snapshot
            assert snapshot.suppression.user == "mara"
            if with_history:
                await until(lambda: later.trees["Acc"].alarms[GC1].snapshot.current.severity is Severity.MAJOR)
                assert later.trees["Acc"].alarms[GC1].version == site.tree.alarms[GC1].version
            assert later.trees["Acc"].root.counts.shelved == 1
        finally:
            await later.stop()


async def test_a_history_that_does_not_answer_does_not_stop_the_tree():
    async with world() as site:
        await shelved_and_compacted(site)

        async def fail(*_: object) -> None:
            raise HistoryUnavailable("gone")

        site.history.last_before = fail
        later = Live(site.journal, {"Acc": UTC}, "cell", site.clock, site.history)
        await later.start()
        try:
            await until(lambda: not later.problems() and not later.trees["Acc"].freshness().stale)
            await until(lambda: later.trees["Acc"].history is None)
        finally:
            await later.stop()
