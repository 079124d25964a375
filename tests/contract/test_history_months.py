"""A month whose index was deleted by others: nothing that it is needed for is called complete, until it is all there again."""

from __future__ import annotations

import pytest

from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Record
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import encode_event
from alarm_engine.wire.topics import Topics
from backend.history.elastic_client import connect
from backend.history.elastic_names import Names
from backend.history.performance import known, performance
from backend.history.rebuild import rebuild
from backend.history.summariser import Summariser
from backend.kpi.tally import Span
from tests.contract.histories import ElasticForTests, at, event, months, opened

pytestmark = pytest.mark.timeout(300)  # the first one starts a server

PV1, PV2, PV3 = "/Demo/Vac/PV1", "/Demo/Vac/PV2", "/Demo/RF/PV3"
EVENTS = [
    event(1, months(0.2), PV1),
    event(2, months(1.2), PV2),
    event(3, months(1.4), PV3),
    event(4, months(2.2), PV1),
    event(5, months(3.2), PV1),
]
RANGE = Span(at(months(0)), at(months(4)))


@pytest.fixture
async def store(monkeypatch):
    monkeypatch.setattr("backend.history.elastic_past.EVENTS_BETWEEN", 4)
    store = ElasticForTests()
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def lose(store):
    """Deletes the index of a month as others may."""
    client = connect(store.options)

    async def delete(month: int) -> None:
        await client.indices.delete(index=Names(store.options.prefix).place("Demo", at(months(month))).index)

    yield delete
    await client.close()


async def whole(store, *times: float) -> list[bool]:
    found = [await store.states_at("Demo", at(months(time))) for time in times]
    assert [one.complete for one in found] == [await store.summaries.is_whole("Demo", at(months(time))) for time in times]
    return [one.complete for one in found]


async def figures(store):
    knowing = await known(store, "Demo", RANGE, RANGE.end, RANGE.end)
    return await performance(store.summaries, "Demo", RANGE, knowing)


async def test_from_a_lost_month_on_nothing_is_complete(store, lose):
    await store.write(EVENTS)
    assert await whole(store, 0.5, 1.5, 3.5) == [True, True, True]
    await lose(1)
    assert await whole(store, 0.5, 1.5, 2.5, 3.5) == [True, False, False, False]
    assert await store.summaries.is_whole("Other", at(months(2)))


async def test_what_a_checkpoint_knew_before_is_complete_after_it(store, lose):
    await store.write(EVENTS)
    assert await store.checkpoint("Demo")  # at the fourth event
    await lose(1)
    assert await whole(store, 1.5, 2.1, 2.5, 3.5) == [False, False, True, True]
    assert {alarm.path for alarm in (await store.states_at("Demo", at(months(3.5)))).alarms} == {PV1, PV2, PV3}
    await store.write([event(1, months(0.1), "/Demo/Late", epoch=0)])  # so it is made anew, without what is gone
    while await store.checkpoint("Demo"):
        pass
    assert await whole(store, 0.5, 1.5, 2.5, 3.5) == [True, False, False, False]


async def test_summaries_that_were_made_before_stay_good(store, lose):
    await store.write(EVENTS)
    await Summariser(store.summaries, ["Demo"]).catch_up("Demo")
    before = await figures(store)
    await lose(1)
    assert await figures(store) == before
    assert before.complete_from == at(months(0.2))
    await store.write([event(1, months(0.1), "/Demo/Late", epoch=0)])
    after = await figures(store)
    assert after.complete_from == at(months(2))
    assert any("were lost and are not all written again" in remark for remark in after.figures.remarks)


async def test_while_it_is_filled_again_it_is_not_complete_either(store, lose):
    await store.write(EVENTS)
    await lose(1)
    await store.write(EVENTS[:2])
    assert await whole(store, 0.5, 1.3, 3.5) == [True, False, False]
    assert (await figures(store)).complete_from == at(months(2))
    async with opened(prefix=store.options.prefix) as other:  # a writer that was started in between
        assert await other.write(EVENTS) == 1
    assert await whole(store, 3.5) == [False]
    await store.refilled("Demo", event(2, months(1.1)))  # the journal begins within the month
    assert await whole(store, 3.5) == [False]
    await store.refilled("Demo", event(2, months(0.9)))
    assert await whole(store, 0.5, 1.5, 3.5) == [True, True, True]
    assert (await figures(store)).complete_from == at(months(0.2))


async def test_what_we_delete_ourselves_is_not_lost(store):
    await store.write(EVENTS)
    await store.delete_before("Demo", at(months(2.5)))
    assert await whole(store, 2.1, 3.5) == [True, True]


async def test_what_was_lost_stays_so_when_we_delete_what_is_left(store, lose):
    await store.write(EVENTS)
    await lose(0)
    await store.delete_before("Demo", at(months(2.5)))
    assert await whole(store, 0.5, 1.5, 3.5) == [False, False, False]  # of the first month not even the last states were kept


@pytest.mark.parametrize("first", [0, 1])
async def test_a_rebuild_says_what_is_there_again(store, lose, first):
    """`first`: the first event that the journal still has."""
    journal = await journal_of(EVENTS[first:])
    await store.write(EVENTS)
    await lose(2)
    assert await whole(store, 1.5, 2.5) == [True, False]
    progress = await rebuild(journal, store, ["Demo"], lambda progress: None)
    assert (progress.new, progress.problem) == (1, "")
    assert await whole(store, 1.5, 2.5, 3.5) == [True, True, True]
    assert await store.summaries.doubtful_until("Demo") == Nanos(0)
    await journal.close()


@pytest.mark.parametrize("noted", [True, False])
async def test_a_topic_that_was_made_anew_does_not_hold_all_there_was(store, lose, noted):
    """It begins with offset 0 too. `noted`: the first event ever was noted, as this tocsin does; else the first that is there counts."""
    await store.write(EVENTS)
    if not noted:
        await forget_the_first(store)
    await lose(2)
    journal = await journal_of([event(1, months(2.7), PV2, epoch=2), event(2, months(3.5), PV2, epoch=2)])
    progress = await rebuild(journal, store, ["Demo"], lambda progress: None)
    assert progress.new == 2
    assert await whole(store, 1.5, 2.5, 3.7) == [True, False, False]
    assert await store.summaries.doubtful_until("Demo") == at(months(3))
    await journal.close()


async def test_a_first_month_that_was_lost_is_whole_only_if_the_journal_begins_with_the_first_event(store, lose):
    await store.write([event(1, months(0.2), PV1), event(2, months(0.3), PV2), event(3, months(1.2), PV1)])
    await lose(0)
    for one, is_whole in ((event(2, months(0.3), PV2), False), (event(1, months(0.2), PV1), True)):
        journal = await journal_of([one, event(3, months(1.2), PV1)])
        await rebuild(journal, store, ["Demo"], lambda progress: None)
        assert await whole(store, 0.5, 1.5) == [is_whole, is_whole]
        await journal.close()


async def test_events_from_before_the_journal_may_come_later(store, lose):
    """As an import writes them: with them lost, the journal alone is not all."""
    await store.write(EVENTS)
    await store.write([event(1, months(0.1), PV3, epoch=0)])
    await lose(0)
    journal = await journal_of(EVENTS)
    await rebuild(journal, store, ["Demo"], lambda progress: None)
    assert await whole(store, 0.5, 3.5) == [False, False]
    await journal.close()


async def journal_of(events):
    journal = MemoryJournal()
    await journal.ensure_topics(Topics("Demo").specs(30))
    await journal.append([Record("DemoEvents", str(one.id), encode_event(one)) for one in events])
    return journal


async def forget_the_first(store):
    client = connect(store.options)
    await client.delete(index=Names(store.options.prefix).past.index, id="Demo.first")
    await client.close()
