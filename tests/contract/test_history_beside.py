"""A process that was paused goes on for a moment beside the one that has taken its place: what it writes to Elasticsearch does no harm."""

from __future__ import annotations

import pytest

from alarm_engine.model.times import Nanos
from backend.history.elastic_names import month_span
from backend.history.elastic_past import Past
from backend.history.summaries import unpack
from backend.history.summariser import Summariser
from tests.contract.histories import ElasticForTests, at, event, months, opened
from tests.contract.test_history_summaries import chain, five_days

pytestmark = pytest.mark.timeout(200)  # the first one starts a server


@pytest.fixture
async def paused():
    store = ElasticForTests()
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def other(paused):
    """The same indices, in another process."""
    async with opened(prefix=paused.options.prefix) as store:
        yield store


async def rises(store):
    return sum(sum(map(sum, one.totals)) for one in unpack(await chain(store)))


@pytest.mark.parametrize("before", ["_delete", "_store", "_replace"])
async def test_parts_that_were_made_without_a_late_event_do_not_stay(paused, other, monkeypatch, before):
    """It pauses where it would delete or store parts; meanwhile a late event comes, and the other makes the chain with it."""
    events = five_days().events
    late = events.pop(20)  # 09:00 of the third day
    await other.write(events)
    go_on = getattr(paused.summaries, before)

    async def pause(*arguments):
        monkeypatch.setattr(paused.summaries, before, go_on)
        await Summariser(other.summaries, ["Site"]).catch_up("Site")
        await other.write([late])
        await Summariser(other.summaries, ["Site"]).catch_up("Site")
        assert await rises(other) == 20
        return await go_on(*arguments)

    monkeypatch.setattr(paused.summaries, before, pause)
    await Summariser(paused.summaries, ["Site"]).catch_up("Site")
    await Summariser(other.summaries, ["Site"]).catch_up("Site")
    assert await rises(other) == 20


async def test_last_states_that_another_has_kept_stay(paused, other, monkeypatch):
    """It pauses after it has looked which states are the last ones; meanwhile the other deletes a month more."""
    await other.write([event(n, months(n + 0.5), f"/Demo/Vac/PV{n % 3}") for n in range(6)])
    retention = paused._retention
    go_on = retention._copy_last_states

    async def pause(*arguments):
        found = await go_on(*arguments)
        assert await other.delete_before("Demo", at(months(5))) > 0
        return found

    monkeypatch.setattr(retention, "_copy_last_states", pause)
    await paused.delete_before("Demo", at(months(4)))
    states = await other.states_at("Demo", at(months(7)))
    assert {state.path: state.event.n for state in states.alarms} == {"/Demo/Vac/PV0": 3, "/Demo/Vac/PV1": 4, "/Demo/Vac/PV2": 5}
    assert not (await other.states_at("Demo", Nanos(month_span(at(months(5)))[0] - 1))).complete


async def test_the_begin_of_what_is_known_does_not_go_back(paused, other, monkeypatch):
    await other.write([event(1, months(0.5))])
    past = Past(paused._opened(), paused.options)
    go_on = past._put

    async def pause(*arguments, **conditions):
        monkeypatch.setattr(past, "_put", go_on)
        await Past(other._opened(), paused.options).begin_at("Demo", at(months(5)))
        return await go_on(*arguments, **conditions)

    monkeypatch.setattr(past, "_put", pause)
    await past.begin_at("Demo", at(months(4)))
    assert await past.begin("Demo") == at(months(5))
