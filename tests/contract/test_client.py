"""The Python clients against a real backend: every question and every command, by both of them."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from alarm_engine.model.settings import AlarmSettings, TitledText
from alarm_engine.model.severity import Severity as Level
from backend.api.ordering import ORDERS
from backend.services import BackendSettings
from tests.contract.clients import KINDS, opened, served
from tests.unit.backend_world import PVS, number_notable, standing_alarms, until
from tocsin import client as tocsin_client
from tocsin.client import (
    AsyncClient,
    BadRequest,
    Change,
    CommandNotConfirmed,
    CommandRefused,
    EventKind,
    Fresh,
    NotFound,
    Outcome,
    Severity,
    Snapshot,
    Stale,
    StaleAnswer,
    State,
    Unavailable,
    transport,
)
from tocsin.client.asynchronous import live, paging

GC1, GC2, P1 = "/Acc/Vacuum/GC1", "/Acc/Vacuum/GC2", "/Acc/RF/Cavity/P1"
ODD = "/Acc/Vacuum/GC 7%?#ü+&;\u2028x"
"""Characters that mean something in addresses, and one that some take for the end of a line."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A machine that is busy is silent for longer than a server."""
    monkeypatch.setattr(transport, "SILENCE_S", 60.0)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def test_what_is_now(kind):
    async with served() as (site, url), opened(kind, url) as client:
        await site.raised(GC1)
        await site.raised(P1, Level.MINOR)
        assert (await client.ready()).missing == {}
        (configuration,) = await client.configurations()
        assert (configuration.name, configuration.alarms, configuration.severity, configuration.stale) == ("Acc", 5, "MAJOR", False)
        alarms = await client.alarms()
        assert [(alarm.path, alarm.severity, alarm.state) for alarm in alarms.alarms] == [(GC1, "MAJOR", "active"), (P1, "MINOR", "active")]
        assert alarms.as_of == str(site.tree.newest)
        assert alarms.raise_if_stale() is alarms
        assert alarms.alarms[0].since is not None
        assert abs(datetime.now(UTC) - alarms.alarms[0].since) < timedelta(minutes=5)
        summary = await client.summary()
        assert {one.system: one.active for one in summary.systems} == {"RF": 1, "Vacuum": 1, "": 0}
        tree = await client.tree(depth=2, leaves=True)
        cavity = next(node for node in tree.root.nodes if node.name == "RF").nodes[0]
        assert [leaf.path for leaf in cavity.leaves] == [P1]
        assert (await client.tree("/Acc/RF", depth=0)).root.nodes is None
        (files,) = await client.files()
        assert (files.config, files.state) == ("Acc", "unknown")


async def test_filters_of_alarms(kind):
    async with served() as (site, url), opened(kind, url, user="mara") as client:
        await site.raised(GC1)
        await site.raised(GC2, Level.MINOR)
        await site.raised(P1, Level.MINOR)
        await client.acknowledge(GC2)

        async def paths(*given, **named):
            return {alarm.path.rpartition("/")[2] for alarm in (await client.alarms(*given, **named)).alarms}

        assert await paths("/Acc/Vacuum") == {"GC1"}
        assert await paths(state="acknowledged") == {"GC2"}
        assert await paths(state=[State.ACTIVE, "acknowledged"]) == {"GC1", "GC2", "P1"}
        assert await paths(severity=Severity.MINOR, state="standing") == {"GC2", "P1"}
        assert await paths(severity=("MINOR", "MAJOR")) == {"GC1", "P1"}
        assert await paths(acknowledged=True) == {"GC2"}
        assert await paths(text="sector 1") == {"GC1"}
        assert await paths(config="Acc", state="all") == {path.rpartition("/")[2] for path in PVS}
        assert len((await client.alarms(state="all", limit=2)).alarms) == 2
        assert (await client.alarms(state="all", limit=2)).total == 5


async def test_one_alarm_with_its_guidance_and_an_odd_name(kind):
    settings = AlarmSettings("Odd\u2028one", guidance=(TitledText("What to do", "Call **4411**"),), delay_s=3)
    async with served(alarms={ODD: settings}) as (site, url), opened(kind, url, user="mara") as client:
        site.feed(ODD.rpartition("/")[2], Level.MAJOR)
        await site.shows(ODD, Level.MAJOR)
        alarm = await client.alarm(ODD)
        assert (alarm.path, alarm.description, alarm.severity, alarm.stale) == (ODD, "Odd\u2028one", "MAJOR", False)
        assert (alarm.settings.delay_s, alarm.settings.guidance[0].html) == (3, "<p>Call <strong>4411</strong></p>\n")
        assert (await client.acknowledge(ODD)).count == 1
        await site.copy_history()
        assert {event.path for event in await client.events(ODD)} == {ODD}
        with pytest.raises(NotFound, match="/Acc/Vacuum/none is not in the alarm tree"):
            await client.alarm("/Acc/Vacuum/none")
        with pytest.raises(NotFound, match="a component, not an alarm"):
            await client.alarm("/Acc/Vacuum")


@pytest.mark.parametrize("sort", [*ORDERS, "-severity", "-path"])
async def test_more_than_a_page_comes_in_the_order_of_the_server(monkeypatch, sort):
    async with served(alarms={}, engine=False) as (site, url):
        await site.journal.append(standing_alarms(50, step_ns=10**6))
        await until(lambda: number_notable(site.tree) == 50)
        async with AsyncClient(url) as client:
            whole = await client.alarms(sort=sort)
            monkeypatch.setattr(live, "MOST_ROWS", 7)
            paged = await client.alarms(sort=sort)
            assert [alarm.path for alarm in paged.alarms] == [alarm.path for alarm in whole.alarms]
            assert (len(paged.alarms), paged.total, paged.as_of, paged.stale) == (50, 50, whole.as_of, whole.stale)
            assert (await client.alarms(sort=sort, limit=20)).alarms == whole.alarms[:20]
            assert (await client.alarms(sort=sort, limit=5)).alarms == whole.alarms[:5]


async def test_what_was(kind):
    async with served() as (site, url), opened(kind, url, user="mara") as client:
        await site.raised(GC1)
        before = datetime.now(UTC)
        await client.acknowledge(GC1, reason="seen it")
        await site.copy_history()
        events = await client.events("/Acc/Vacuum", start=timedelta(hours=1))
        assert [event.kind for event in events] == ["command", "acknowledged", "alarm"]
        alarm = events[-1]
        assert (alarm.from_severity, alarm.to_severity, alarm.kind) == (Severity.OK, Severity.MAJOR, EventKind.ALARM)
        assert alarm.state is not None
        (acknowledged,) = await client.acknowledgements(user="mara")
        assert (acknowledged.path, acknowledged.comment, acknowledged.severity) == (GC1, "seen it", "MAJOR")
        assert (await client.at(before, leaves=True, depth=2)).root.severity == "MAJOR"
        assert [one.path for one in (await client.alarms_at(before)).alarms] == [GC1]
        assert (await client.alarms_at("now")).alarms == ()
        difference = await client.difference(before)
        assert [(one.path, one.change, one.after.state) for one in difference.changes] == [(GC1, "changed", "acknowledged")]
        assert not difference.cut
        lines = (await client.intervals([GC1, GC2], start="1h")).alarms
        assert [line.path for line in lines] == [GC1, GC2]
        assert [interval.severity for interval in lines[0].intervals] == [None, "MAJOR", "MAJOR_ACK"]
        figures = await client.figures(start="1h")
        assert figures["per_day"].unit == "alarms"
        with pytest.raises(KeyError, match="per_day"):
            figures["nonsense"]
        assert sum(sum(bucket.counts.values()) for bucket in (await client.counts(bucket=timedelta(minutes=10))).buckets) == 1
        assert [(one.path, one.count) for one in (await client.top()).alarms] == [(GC1, 1)]
        what_if = await client.what_if(GC1, delay_s=5)
        assert (what_if.path, what_if.trials[0].settings.delay_s) == (GC1, 5)


async def test_events_page_by_page_while_new_ones_arrive(monkeypatch):
    monkeypatch.setattr(paging, "_PAGE", 3)
    async with served() as (site, url), AsyncClient(url) as client:

        async def happen(number):
            before = site.tree.newest.n
            for n in range(number):
                site.feed("P1", (Level.MINOR, Level.MAJOR)[n % 2], value=str(n))
            await until(lambda: site.tree.newest.n >= before + number)
            await site.copy_history()

        await happen(10)
        first = [event.id async for event in client.events(P1)]
        assert len(first) == 10
        seen = []
        async for event in client.events(P1):
            seen.append(event.id)
            if len(seen) in (2, 5):
                await happen(4)
        assert seen == first, "newest first: those that came later are not among them"
        seen = []
        async for event in client.events(P1, oldest_first=True):
            seen.append(event.id)
            if len(seen) == 12:
                await happen(4)
        assert len(seen) == len(set(seen)) == 22
        assert seen[:10] == first[::-1]
        assert [event.id async for event in client.events(P1, oldest_first=True, after=seen[-3])] == seen[-2:]
        assert [event.id async for event in client.events(P1, limit=4)] == seen[:-5:-1]
        assert [event.id async for event in client.events(P1, start="1h", end="now", limit=0)] == []
        known, unknown = client.events(P1, limit=4), client.events(P1, start="1h")
        assert (known.complete, known.remark) == (None, "")
        for pages in (known, unknown):
            _ = [event async for event in pages]
        # The part that was read of the one is wholly known; the range of the other begins before anything was recorded.
        assert (known.complete, known.remark) == (True, "")
        assert unknown.complete is False
        assert unknown.remark.endswith("nothing was recorded by then")


async def test_all_six_commands(kind):
    async with served() as (site, url), opened(kind, url, user="mara") as client:
        await site.raised(GC1)
        end = datetime.now(UTC) + timedelta(hours=2)
        for command, more, state in (
            ("acknowledge", {"reason": "seen it"}, State.ACKNOWLEDGED),
            ("unacknowledge", {}, State.ACTIVE),
            ("shelve", {"duration": timedelta(hours=1)}, State.SHELVED),
            ("unshelve", {}, State.ACTIVE),
            ("shelve", {"until": end, "reason": "works"}, State.SHELVED),
            ("unshelve", {}, State.ACTIVE),
            ("shelve", {"duration": "90m"}, State.SHELVED),
            ("unshelve", {"user": "jo"}, State.ACTIVE),
            ("disable", {}, State.DISABLED),
            ("enable", {}, State.ACTIVE),
        ):
            result = await getattr(client, command)(GC1, **more)
            assert (result.outcome, result.done, result.count, result.user) == ("done", True, 1, more.get("user", "mara"))
            assert result.raise_for_outcome() is result
            alarm = await client.alarm(GC1)
            assert alarm.state is state
            if "until" in more:
                assert end <= alarm.suppression.until <= end + timedelta(seconds=1)


async def test_what_rose_after_it_was_looked_at_is_left_alone(kind):
    async with served() as (site, url), opened(kind, url) as client:
        await site.raised(GC1)
        seen = (await client.alarms()).as_of
        await site.raised(GC2)
        result = await client.acknowledge("/Acc/Vacuum", seen=seen)
        assert (result.count, result.left_alone) == (1, (GC2,))


async def test_a_refused_command_is_a_result_with_the_reason(kind):
    async with served() as (site, url), opened(kind, url) as client:
        result = None
        while result is None:  # while the tree is old nobody knows what is in it, and the engine is asked
            site.clock.shift_s += 60
            with contextlib.suppress(NotFound):
                result = await client.acknowledge("/Acc/Vacuum/none")
        assert (result.outcome, result.done) == (Outcome.REFUSED, False)
        assert result.reason == "there is no alarm and no component /Acc/Vacuum/none"
        assert result.event is not None
        with pytest.raises(CommandRefused, match="was refused: there is no alarm") as caught:
            result.raise_for_outcome()
        assert caught.value.result is result


async def test_an_answer_that_is_old_can_be_made_an_error(kind):
    async with served(engine=False) as (_, url), opened(kind, url) as client:
        assert (await client.alarms()).stale
        with pytest.raises(StaleAnswer, match="never gave a life sign"):
            (await client.alarms()).raise_if_stale()
        with pytest.raises(StaleAnswer):
            (await client.alarm(GC1)).raise_if_stale()


async def test_a_command_that_nobody_answers_is_not_confirmed(kind):
    async with served(engine=False, settings=BackendSettings(command_timeout_s=0.2)) as (_, url), opened(kind, url) as client:
        result = await client.shelve(GC1, duration="1h")
        assert result.outcome is Outcome.NOT_CONFIRMED
        assert "has not answered within 0.2 s" in result.reason
        with pytest.raises(CommandNotConfirmed, match="is not confirmed"):
            result.raise_for_outcome()


async def test_faults_come_in_the_words_of_the_server(kind):
    async with served() as (_, url), opened(kind, url) as client:
        with pytest.raises(NotFound, match="there is no alarm and no component /Acc/none"):
            await client.acknowledge("/Acc/none")
        with pytest.raises(NotFound, match="there is no configuration 'Other'; there is: Acc"):
            await client.alarms(config="Other")
        with pytest.raises(BadRequest, match="must be in the future") as caught:
            await client.shelve(GC1, until="2020-01-01T00:00:00Z")
        assert (caught.value.status, caught.value.faults[0].where) == (422, "body.until")
        with pytest.raises(BadRequest, match="is no span of time") as caught:
            await client.counts(bucket="wide")
        assert caught.value.faults[0].value == "wide"
        with pytest.raises(BadRequest, match="2 faults"):
            await client.events(start="yesterday", end="whenever")
        with pytest.raises(BadRequest, match="no time zone"):
            await client.at(datetime(2026, 11, 30))  # noqa: DTZ001 - that is the fault
        with pytest.raises(BadRequest, match="lies in the future"):
            await client.at(timedelta(hours=-1))


async def test_a_default_configuration_counts_where_no_path_says_another():
    async with served() as (_, url), AsyncClient(url, config="Other") as client:
        with pytest.raises(NotFound, match="Other"):
            await client.summary()
        assert (await client.alarms("/Acc")).total == 0
        assert (await client.summary(config="Acc")).systems


async def test_an_answer_of_history_that_is_away_is_told():
    async with served() as (site, url):

        async def away(*_):
            from alarm_engine.errors import HistoryUnavailable

            raise HistoryUnavailable("the disk is full")

        site.history.events = away
        async with AsyncClient(url) as client:
            with pytest.raises(Unavailable, match="the history store does not answer: the disk is full"):
                _ = [event async for event in client.events()]
            ready = await client.ready()
            assert (ready.ready, ready.missing) == (False, {"history": "the disk is full"})


async def told(updates, kind):
    """The next update of that kind; on a machine that is busy it may be stale in between."""
    while True:
        update = await anext(updates)
        if isinstance(update, kind):
            return update
        assert isinstance(update, Stale | Fresh), update


async def test_a_gap_that_cannot_be_filled_brings_a_new_snapshot():
    async with served() as (site, url), AsyncClient(url) as client:
        site.tree._tree.ring._kept = 8
        await site.raised(GC1)
        after = str(site.tree.newest)
        for n in range(60):
            site.feed("P1", (Level.MINOR, Level.MAJOR)[n % 2], value=str(n))
        await until(lambda: (snapshot := site.tree.alarms[P1].snapshot) and snapshot.current.value == "59")
        async with asyncio.timeout(60), client.subscribe(after=after) as updates:
            snapshot = await told(updates, Snapshot)
            assert "history" in snapshot.gap
            assert {alarm.path for alarm in snapshot.alarms} == {GC1, P1}
            site.feed("GC2", Level.MAJOR)
            change = await told(updates, Change)
            assert (change.alarm.path, change.alarm.severity) == (GC2, "MAJOR")
            assert change.alarm == (await client.alarms(GC2)).alarms[0]


async def test_every_alarm_of_a_change_is_as_in_a_list(kind):
    async with served() as (site, url), AsyncClient(url) as client:
        await site.raised(GC1)
        async with asyncio.timeout(60), client.subscribe("/Acc/Vacuum") as updates, opened(kind, url) as other:
            assert isinstance(await anext(updates), Snapshot)
            for command, more in (("acknowledge", {}), ("shelve", {"duration": "1h"}), ("unshelve", {}), ("disable", {}), ("enable", {})):
                await getattr(other, command)(GC1, **more)
                while (change := await told(updates, Change)).alarm is None:
                    pass
                assert change.alarm == (await client.alarms(GC1, state="all")).alarms[0]


async def test_a_subscription_from_the_first_event_of_a_site_on():
    async with served(engine=False) as (site, url), AsyncClient(url) as client, asyncio.timeout(60), client.subscribe() as updates:
        snapshot = await anext(updates)
        assert isinstance(snapshot, Snapshot)
        assert (snapshot.as_of, snapshot.stale) == (None, True)
        assert isinstance(await anext(updates), Stale)
        await site.start_engine()
        kinds = []
        site.feed("GC1", Level.MAJOR)
        while EventKind.ALARM not in kinds:
            update = await anext(updates)
            if isinstance(update, Change):
                kinds.append(update.event.kind)
            site.feed("GC1", Level.MAJOR)
        assert kinds[0] is EventKind.ENGINE


async def test_what_a_subscription_cannot_be_about_is_told_at_once():
    async with served() as (_, url), AsyncClient(url) as client:
        for given, problem in (({"path": "/Acc/none"}, NotFound), ({"config": "Other"}, NotFound), ({"after": "nonsense"}, BadRequest)):
            with pytest.raises(problem):
                await anext(client.subscribe(**given))


async def test_a_client_over_another_transport():
    async with served() as (site, _), AsyncClient("http://localhost", transport=httpx.ASGITransport(site.app)) as client:
        assert (await client.alarms(state="all")).total == 5
        assert repr(client) == "AsyncClient('http://localhost')"


def test_all_names_are_there():
    for name in tocsin_client.__all__:
        assert getattr(tocsin_client, name) is not None
    with pytest.raises(AttributeError):
        _ = tocsin_client.nonsense  # type: ignore[attr-defined]
