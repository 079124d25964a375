"""Servers of PVs that go and come back: one event for each, one sentence, however many batches it takes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from alarm_engine.logic.servers import Back, Servers, Went
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from alarm_engine.wire.runtime import RootRuntime
from tests.unit.evaluating import START, Control

IOC = "ioc7:5064"
NAMES = [f"P{n}" for n in range(5000)]


def at(seconds: float) -> tuple[Nanos, Monotonic]:
    moment = START.plus_s(seconds)
    return moment.wall, moment.monotonic


def served(names: Sequence[str] = NAMES, server: str = IOC) -> Servers:
    servers = Servers()
    for name in names:
        servers.found(name, server, *at(0))
    return servers


def test_a_server_that_loses_all_is_told_as_soon_as_the_last_is_gone():
    servers = served()
    for name in NAMES[:-1]:
        servers.lost(name, IOC, *at(10))
    assert servers.close(at(10)[1]) == []
    assert servers.is_gathering
    servers.lost(NAMES[-1], IOC, *at(10.1))
    assert servers.close(at(10.1)[1]) == [Went(IOC, 5000, 5000, at(10)[0])]
    assert not servers.is_gathering
    assert servers.next() is None


def test_many_of_a_gateway_are_told_after_a_moment_and_few_are_not():
    servers = served()
    for name in NAMES[:11]:
        servers.lost(name, IOC, *at(10))
    assert servers.close(at(10.4)[1]) == []
    assert servers.next() == at(10.5)[1]
    assert servers.close(at(10.5)[1]) == [Went(IOC, 11, 5000, at(10)[0])]
    for name in NAMES[20:30]:
        servers.lost(name, IOC, *at(20))
    assert servers.close(at(21)[1]) == []


def test_a_trickle_is_not_waited_for_for_ever():
    servers, outcomes = served(), []
    for n, name in enumerate(NAMES[:100]):
        servers.lost(name, IOC, *at(10 + n * 0.1))
        outcomes += servers.close(at(10 + n * 0.1)[1])
    assert outcomes[0] == Went(IOC, 51, 5000, at(10)[0])


def test_the_return_is_told_once_with_the_time_away():
    servers = served()
    for name in NAMES:
        servers.lost(name, IOC, *at(10))
    servers.close(at(10)[1])
    for name in NAMES[:-1]:
        servers.found(name, IOC, *at(52))
    assert servers.close(at(52)[1]) == []
    servers.found(NAMES[-1], IOC, *at(53))
    assert servers.close(at(53)[1]) == [Back(IOC, 5000, 5000, 42 * NANOS_PER_SECOND, at(52)[0], ())]
    assert servers.next() is None


def test_a_part_that_returns_is_told_when_no_more_come_and_the_port_may_be_another():
    servers = served(NAMES[:20])
    for name in NAMES[:20]:
        servers.lost(name, IOC, *at(10))
    servers.close(at(10)[1])
    for name in NAMES[:15]:
        servers.found(name, "ioc7:40123", *at(20))
    assert servers.close(at(20)[1]) == []
    assert servers.close(at(25)[1]) == [Back(IOC, 15, 20, 10 * NANOS_PER_SECOND, at(20)[0], ("ioc7:40123",))]
    servers.found(NAMES[15], IOC, *at(30))
    assert servers.close(at(60)[1]) == []


def test_pvs_that_nobody_watches_any_more_are_not_waited_for():
    servers = served(NAMES[:20])
    for name in NAMES[:20]:
        servers.lost(name, IOC, *at(10))
    servers.close(at(10)[1])
    for name in NAMES[:19]:
        servers.forget(name)
    servers.found(NAMES[19], IOC, *at(20))
    assert servers.close(at(20)[1]) == [Back(IOC, 1, 20, 10 * NANOS_PER_SECOND, at(20)[0], ())]


def test_a_value_tells_of_a_return_as_well():
    servers = served(NAMES[:20])
    for name in NAMES[:20]:
        servers.lost(name, IOC, *at(10))
    servers.close(at(10)[1])
    for name in NAMES[:20]:
        servers.heard(name, *at(20))  # what an engine that stood by has kept does not hold connections
    assert servers.close(at(20)[1]) == [Back(IOC, 20, 20, 10 * NANOS_PER_SECOND, at(20)[0], ())]


def test_nothing_is_claimed_of_a_server_that_was_not_known():
    servers = Servers()
    servers.lost("P1", IOC, *at(10))  # an engine that took over has not heard where the others are
    assert servers.close(at(12)[1]) == []
    servers.lost("P2", "", *at(10))
    assert servers.close(at(12)[1]) == []
    assert servers.next() is None


# ---------------------------------------------------------------------- in an evaluator


def plant(number: int, delay_s: float = 0) -> Control:
    control = Control({f"/Demo/V/{name}": AlarmSettings(f"PV {name}", delay_s=delay_s) for name in NAMES[:number]})
    feed(control, [Connection(name, True, IOC, control.now.wall, control.now.monotonic) for name in NAMES[:number]])
    feed(control, [reading(control.now, name) for name in NAMES[:number]])
    return control


def reading(now: Moment, name: str) -> Reading:
    return Reading(name, Severity.OK, "NO_ALARM", "1.0", now.wall, now.monotonic)


def gone(now: Moment, names: Sequence[str]) -> list[Input]:
    return [Connection(name, False, IOC, now.wall, now.monotonic) for name in names]


def feed(control: Control, inputs: Sequence[Input]) -> tuple[list[Event], list[str]]:
    control.evaluator.feed(inputs, control.now)
    control.evaluator.tick(control.now)
    changes = control.take()
    return [event for event in changes.events if event.kind is EventKind.SERVER], [talk.text for talk in changes.talks]


@pytest.mark.parametrize("batches", [1, 2, 7, 50])
def test_a_mass_disconnect_in_several_rounds_is_one_event_and_one_sentence(batches):
    control = plant(5000)
    control.now = control.now.plus_s(10)
    events: list[Event] = []
    texts: list[str] = []
    cuts = sorted(random.Random(batches).sample(range(2, 5000), batches - 1))
    for start, end in zip([0, *cuts], [*cuts, 5000], strict=True):
        more_events, more_texts = feed(control, gone(control.now, NAMES[start:end]))
        events, texts = events + more_events, texts + more_texts
        control.now = control.now.plus_s(0.05)
    (event,) = events
    assert (event.host, event.reason, event.path) == (IOC, "server went", "/Demo")
    assert event.description == f"{IOC}: 5000 of 5000 PVs disconnected"
    assert texts == [" 5000 alarms: PV disconnected"]
    assert all(control.severity(f"/Demo/V/{name}") is Severity.UNDEFINED for name in NAMES)


def test_a_mass_disconnect_that_waited_for_the_journal_is_one_too():
    control = plant(5000)
    then = control.now.plus_s(10)
    inputs = gone(then, NAMES)
    control.now = then.plus_s(5)  # so long the broker was away
    events: list[Event] = []
    texts: list[str] = []
    for start in range(0, 5000, 2000):
        more_events, more_texts = feed(control, inputs[start : start + 2000])
        events, texts = events + more_events, texts + more_texts
        control.now = control.now.plus_s(1)
    assert [event.description for event in events] == [f"{IOC}: 5000 of 5000 PVs disconnected"]
    assert events[0].pv_time == then.wall
    assert texts == [" 5000 alarms: PV disconnected"]


def test_a_single_pv_that_goes_is_spoken_at_once():
    control = plant(100)
    assert feed(control, gone(control.now, NAMES[:1])) == ([], ["UNDEFINED Alarm: PV P0"])


def test_few_that_go_together_are_spoken_one_by_one_after_a_moment():
    control = plant(100)
    assert feed(control, gone(control.now, NAMES[:3])) == ([], [])
    assert [talk.text for talk in control.advance(1).talks] == [f"UNDEFINED Alarm: PV P{n}" for n in range(3)]


def test_delays_that_end_in_several_rounds_are_one_sentence():
    control = plant(100, delay_s=5)
    events, texts = feed(control, gone(control.now, NAMES[:100]))
    assert len(events) == 1
    control.now = control.now.plus_s(6)
    for _ in range(5):
        control.evaluator.tick(control.now, 30)
        texts += [talk.text for talk in control.take().talks]
    assert texts == [" 100 alarms: PV disconnected"]


def test_what_goes_on_without_end_does_not_keep_the_engine_silent():
    control = plant(1000)
    texts: list[str] = []
    begin = control.now
    for n in range(0, 1000, 5):
        texts += feed(control, gone(control.now, NAMES[n : n + 5]))[1]
        control.now = control.now.plus_s(0.2)
        if texts:
            break
    assert control.now.monotonic - begin.monotonic < 6 * NANOS_PER_SECOND


def test_an_ioc_that_returns_is_one_event_and_acknowledgements_are_kept():
    control = plant(50)
    for name in NAMES[:50]:
        control.sample(name, Severity.MAJOR)
    control.command(CommandKind.ACKNOWLEDGE, "/Demo")
    feed(control, gone(control.now, NAMES[:50]))
    control.now = control.now.plus_s(42)
    now = control.now
    events, texts = feed(control, [Connection(name, True, "ioc7:40123", now.wall, now.monotonic) for name in NAMES[:50]])
    assert [event.description for event in events] == [f"{IOC}: 50 of 50 PVs are back after 42 s, now at ioc7:40123"]
    assert events[0].reason == "server is back"
    assert not texts
    for name in NAMES[:50]:
        control.sample(name, Severity.INVALID, "UDF_ALARM")
        control.sample(name, Severity.MAJOR)
    assert control.severity("/Demo") is Severity.MAJOR_ACK


def test_what_an_engine_held_back_when_it_ended_is_said_by_its_successor_and_never_twice():
    control = plant(5000)
    control.now = control.now.plus_s(10)
    _, texts = feed(control, gone(control.now, NAMES[:3000]))
    assert not texts  # the rest of that server may be on its way
    control.now = control.now.plus_s(0.05)
    feed(control, gone(control.now, NAMES[3000:3500]))
    successor = control.restarted()
    successor.evaluator.begin(successor.now)
    said = successor.take()
    assert [(talk.path, talk.severity, talk.text) for talk in said.talks if "started" not in talk.text] == [
        ("/Demo", Severity.UNDEFINED, " 3500 alarms while nobody could be told, the worst UNDEFINED")
    ]
    assert said.root == RootRuntime()
    # The first one, had it gone on, would have said it, and then nothing is left to be said.
    control.now = control.now.plus_s(6)
    assert feed(control, [])[1] == [" 3500 alarms: PV disconnected"]
    after = control.restarted()
    after.evaluator.begin(after.now)
    assert [talk.text for talk in after.take().talks] == [" Alarm server started. Everything is going to be all right."]
