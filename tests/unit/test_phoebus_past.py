"""The past of a Phoebus server as its topic tells it: what follows from its records, and from when on nothing is missing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC
from types import SimpleNamespace

import pytest

from alarm_engine.errors import HistoryUnavailable, JournalUnavailable
from alarm_engine.model.event import EventKind
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.journal_history import JournalHistory, Keeping
from backend.history.memory import MemoryHistory
from backend.history.port import EventQuery
from backend.history.read_past import PastOptions
from backend.phoebus.derivation import FOUND, GAP
from backend.phoebus.past import DerivedPast
from tests.unit.phoebus_records import Recorded
from tests.unit.topic_journal import TopicJournal

HOUR = 3600 * NANOS_PER_SECOND


@asynccontextmanager
async def past_of(records, config, patience_s=5.0):
    journal = TopicJournal()
    journal.write(records)
    tree = SimpleNamespace(config=config, newest=None, alarms={}, problem="")

    def make():
        store = MemoryHistory()
        return store, {config: DerivedPast(journal, store, tree, {config: UTC}, PastOptions(patience_s=patience_s))}

    history = JournalHistory(make, Keeping(patience_s=patience_s))
    await history.start()
    try:
        yield history, journal
    finally:
        await history.close()


def everything(recorded):
    last = recorded.records[-1].time
    return EventQuery(recorded.config, Nanos(last - 48 * HOUR), Nanos(last + HOUR), limit=10_000)


async def test_a_topic_that_has_all_tells_all():
    recorded = Recorded.load("latching")
    async with past_of(recorded.records, recorded.config) as (history, _):
        events = (await history.events(everything(recorded))).events
        assert {EventKind.ALARM, EventKind.ACKNOWLEDGED, EventKind.CLEARED} <= {event.kind for event in events}
        assert not [event for event in events if event.reason in (FOUND, GAP)]
        assert history.progress(recorded.config).whole
        middle = recorded.records[len(recorded.records) // 2].time
        assert (await history.states_at(recorded.config, middle)).complete
        assert await history.summaries.is_whole(recorded.config, middle)


async def test_before_the_last_hole_nothing_is_sure():
    """As compaction does: a record that another one of the same key replaced is gone."""
    recorded = Recorded.load("latching")
    of_config = [record for record in recorded.records if record.topic == recorded.config]
    gone = next(n for n in range(len(of_config) // 2, len(of_config)) if of_config[n].key in {r.key for r in of_config[n + 1 :]})
    hole = of_config[gone]
    kept = [record for record in recorded.records if record is not hole]
    after = of_config[gone + 1].time
    async with past_of(kept, recorded.config) as (history, _):
        await history.events(everything(recorded))
        assert not (await history.states_at(recorded.config, Nanos(hole.time - 1))).complete
        assert not await history.summaries.is_whole(recorded.config, Nanos(hole.time - 1))
        end = recorded.records[-1].time
        later = [event.time for event in (await history.events(everything(recorded))).events if event.reason in (FOUND, GAP)]
        assert (await history.states_at(recorded.config, Nanos(max([after, *later, end])))).complete
        assert await history.summaries.doubtful_until(recorded.config) >= after


async def test_what_comes_later_is_in_it_and_a_journal_that_is_away_is_told():
    recorded = Recorded.load("latching")
    half = len(recorded.records) // 2
    async with past_of(recorded.records[:half], recorded.config) as (history, journal):
        end = journal.end

        async def away(topic):
            raise JournalUnavailable("Kafka at x:1 does not answer")

        journal.end = away
        with pytest.raises(HistoryUnavailable, match="Kafka at x:1 does not answer"):
            await history.events(everything(recorded))
        journal.end = end
        first = len((await history.events(everything(recorded))).events)
        journal.write(recorded.records[half:])
        async with past_of(recorded.records, recorded.config) as (whole, _):
            wanted = (await whole.events(everything(recorded))).events
        assert first < len(wanted)
        for _ in range(100):
            found = (await history.events(everything(recorded))).events
            if len(found) >= len([one for one in wanted if one.kind is not EventKind.COMMAND]):
                return
        pytest.fail(f"{len(found)} events of {len(wanted)}")
