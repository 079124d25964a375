"""A configuration held: one that cannot be served harms no other, and what is lost is given up in order."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager, nullcontext

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.errors import JournalCorrupt, JournalError, JournalFenced, JournalUnavailable
from alarm_engine.garbage import set_aside, take_back
from alarm_engine.holding import Others
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.model.reading import Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.ownership.port import Wait
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.replay import Replayed
from alarm_engine.sources.memory import MemorySource
from alarm_engine.wire.topics import Topics
from tests.contract.journals import until
from tests.unit.holdings import Company, Generous, Lendable, Peer, holding, settings


class Faulty(MemoryJournal):
    """A journal in which the topics of `Bad` are of no use for a while."""

    problem: JournalError | None = None

    async def ensure_topics(self, topics):
        if self.problem is not None and any(spec.name == "Bad" for spec in topics):
            raise self.problem
        await super().ensure_topics(topics)


@pytest.fixture
async def journal():
    journal = Faulty()
    await journal.start()
    yield journal
    await journal.close()


@asynccontextmanager
async def engine(journal, *configs, writer=None, ownership=None):
    ports = EnginePorts(journal, MemorySource(), ownership or SoleOwnership(), SystemClock(), writer)
    engine = Engine(EngineSettings("test", "cell", tuple(map(settings, configs))), ports)
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("alarm_engine.holding._PAUSE_S", 0.02)
    monkeypatch.setattr("alarm_engine.holding._LONG_PAUSE_S", 0.02)


@pytest.mark.parametrize("problem", [JournalCorrupt("has 2 partitions"), JournalError("too large"), JournalUnavailable("no right")])
async def test_what_one_configuration_cannot_do_harms_no_other_and_is_tried_again(journal, problem):
    journal.problem = problem
    async with engine(journal, "Bad", "Good", writer=lambda _: nullcontext(journal)) as it:
        await it.start()
        assert [runner.topics.config for runner in it.runners] == ["Good"]
        assert it.problems() == {"Bad": str(problem)}
        assert it.failure() is None
        journal.problem = None
        await until(lambda: len(it.runners) == 2)
        assert it.problems() == {}


async def test_a_journal_of_all_that_is_corrupt_ends_the_engine(journal):
    journal.problem = JournalCorrupt("is damaged")
    async with engine(journal, "Good", "Bad") as it:
        with pytest.raises(JournalCorrupt, match="is damaged"):
            await it.start()


async def test_life_signs_do_not_wait_for_the_last_configuration(journal):
    ready = asyncio.Event()

    @asynccontextmanager
    async def writer(config):
        if config == "Slow":
            await ready.wait()
        yield journal

    async with engine(journal, "Slow", "Quick", writer=writer) as it:
        starting = asyncio.create_task(it.start())

        async def said():
            return bool(await journal.end("cellStatus"))

        await until(said)
        assert not starting.done()
        assert it.problems() == {"Slow": "is starting"}
        ready.set()
        await starting
        assert it.problems() == {}


async def test_life_signs_are_written_also_where_their_topic_is_split(journal, monkeypatch):
    async def refuse(topics):
        await MemoryJournal.ensure_topics(journal, topics)
        if topics[0].name == "cellStatus":
            raise JournalCorrupt("has 2 partitions")

    monkeypatch.setattr(journal, "ensure_topics", refuse)
    monkeypatch.setattr("alarm_engine.engine._STATUS_PERIOD_S", 0.02)
    async with engine(journal, "Plant") as it:
        await it.start()

        async def said():
            return bool(await journal.end("cellStatus"))

        await until(said)


# ------------------------------------------------------------------ lost


async def test_what_is_lost_while_the_journal_is_opened_is_given_up(journal):
    ownership = Lendable()
    state = []

    @asynccontextmanager
    async def writer(config):
        state.append("opening")
        try:
            await asyncio.Event().wait()
            yield journal
        finally:
            state.append("closed")

    it = holding(journal, ownership, writer)
    starting = asyncio.create_task(it.start())
    await until(lambda: state)
    ownership.ended.set()
    await asyncio.wait_for(starting, 10)
    assert state == ["opening", "closed"]
    assert ownership.released == 1
    assert it.waiting == Wait("another one has it", False)
    assert it.trouble == ""
    await it.stop()


async def test_a_lease_is_released_only_when_the_writer_has_ended_however_often_it_is_asked_to(journal):
    ownership = Lendable()
    closing, may_close = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def writer(config):
        try:
            yield journal
        finally:
            closing.set()
            await may_close.wait()

    it = holding(journal, ownership, writer)
    await it.start()
    runner = it.runner
    stopping = asyncio.create_task(it.stop())
    await closing.wait()
    stopping.cancel()
    again = asyncio.create_task(it.stop())
    await asyncio.wait((stopping, again), timeout=0.1)
    assert ownership.released == 0
    may_close.set()
    await again
    assert ownership.released == 1
    assert runner._tasks == []


async def test_what_is_heard_is_kept_for_the_next_also_where_two_ends_come_together(journal):
    """One that was fenced ends by itself; that its lease is lost it may learn in the middle of that."""
    ownership = Lendable()
    fenced, closing, may_close = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Fenced(MemoryJournal):
        def reader(self, topics, starts):
            found = super().reader(topics, starts)

            async def fetch(*_, **__):
                await fenced.wait()
                raise JournalFenced("engine-b has taken over")

            async def close():
                closing.set()
                await may_close.wait()

            if Topics("Plant").command in topics:
                found.fetch, found.close = fetch, close
            return found

    own = Fenced()
    await own.start()
    it = holding(own, ownership, lambda _: nullcontext(own))
    await it.start()
    runner = it.runner
    fenced.set()
    await closing.wait()
    ownership.ended.set()
    await asyncio.wait([it._task], timeout=0.1)
    may_close.set()
    await until(lambda: ownership.released)
    assert runner._tasks == []
    blip = [Reading("a", one, "m", "1", Nanos(n), Monotonic(n)) for n, one in enumerate((Severity.MAJOR, Severity.OK))]
    it._intake.offer(blip)
    it._intake.begin(lambda: None, Monotonic(2))
    assert it._intake.take(10) == blip
    await it.stop()
    await own.close()


async def test_who_was_fenced_is_not_in_trouble(journal):
    @asynccontextmanager
    async def writer(config):
        raise JournalFenced("engine-b has taken over")
        yield journal

    it = holding(journal, Lendable(), writer)
    await it.start()
    assert it.trouble == ""
    assert "another one has it" in it.waiting.why
    await it.stop()


# ------------------------------------------------------------------ other engines


@pytest.mark.parametrize("there", [True, False])
async def test_who_cannot_run_it_leaves_it_to_one_who_may(journal, there):
    """A right that only this engine lacks: the others would wait for ever for what it has and cannot use."""
    await journal.ensure_topics(Topics("Plant").specs())
    ownership = Generous()

    @asynccontextmanager
    async def writer(config):
        raise JournalUnavailable("no right to write")
        yield journal

    it = holding(journal, ownership, writer, Others(journal, Company(*[Peer("engine-b", candidate=False)] * there)))
    await it.start()
    await until(lambda: ownership.withdrawn if there else ownership.given > 5)
    assert ownership.withdrawn is there
    assert not there or ownership.given == 3
    await it.stop()


async def test_who_stands_by_and_cannot_follow_any_more_is_in_trouble_and_not_ready(journal):
    await journal.ensure_topics(Topics("Plant").specs())
    ownership = Lendable()
    ownership.given = 1
    it = holding(journal, ownership, None, Others(journal, Company()))
    await it.start()
    await until(lambda: it.is_warm)
    assert it.trouble == ""
    await journal.close()
    await until(lambda: it.trouble)
    assert "closed" in it.trouble
    assert not it.is_warm
    await it.stop()


async def test_what_was_read_to_take_over_is_not_kept_for_as_long_as_it_runs(journal, monkeypatch):
    class Tracked(Replayed):
        """One that can be referred to weakly."""

    made = []

    def replayed():
        one = Tracked()
        made.append(weakref.ref(one))
        return one

    monkeypatch.setattr("alarm_engine.standby.Replayed", replayed)
    await journal.ensure_topics(Topics("Plant").specs())
    it = holding(journal, Generous(), lambda _: nullcontext(journal), Others(journal, Company()))
    await it.start()
    await until(lambda: it.runner)
    assert len(made) == 1
    assert made[0]() is None
    await it.stop()


async def test_a_configuration_that_is_lost_does_not_bring_back_what_another_one_set_aside(journal):
    """Else each look for garbage would go through the tree of the one that stays."""
    ownership = Lendable()
    it = holding(journal, ownership, lambda _: nullcontext(journal))
    set_aside()  # as the other one does
    try:
        await it.start()
        tree = weakref.ref(it.runner.evaluator.tree)
        ownership.ended.set()
        await until(lambda: tree() is None)
        assert gc.get_freeze_count() > 0
        await it.stop()
    finally:
        take_back()
    assert gc.get_freeze_count() == 0
