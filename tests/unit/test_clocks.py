"""Clocks that are wrong: of a PV, of an IOC that is set back, of the machine of the engine. Order, delays and time travel stay right."""

from __future__ import annotations

import itertools
import struct
from functools import partial

import pytest

from alarm_engine.clock import SystemClock
from alarm_engine.engine import Engine, EnginePorts, EngineSettings
from alarm_engine.evaluator import EvaluatorSettings
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.reading import Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import LATEST, NANOS_PER_SECOND, Moment, Nanos
from alarm_engine.ownership.sole import SoleOwnership
from alarm_engine.runner import RunnerSettings
from alarm_engine.sources.ca_values import DOUBLE, TIME_FIRST, Form, decode
from alarm_engine.sources.memory import MemorySource
from backend.history.memory import MemoryHistory
from tests.unit.evaluating import MESSAGES, START, Control
from tests.unit.test_engine import Site

S = Severity
GC = "/Demo/Vacuum/GC1"
DAY = 86_400 * NANOS_PER_SECOND
WRONG = {
    "future": Nanos(START.wall + 3650 * DAY),
    "1990": Nanos(631_152_300 * NANOS_PER_SECOND),  # an IOC that has not heard from a time server since it started
    "yesterday": Nanos(START.wall - DAY),
    "latest": LATEST,
}


def room(**settings: float) -> Control:
    control = Control({GC: AlarmSettings("Pressure", **settings)})  # type: ignore[arg-type]
    give(control, S.OK, START.wall)
    return control


def give(control: Control, severity: Severity, pv_time: Nanos) -> list[EventKind]:
    control.now = control.now.plus_s(0.1)
    control.evaluator.feed([Reading("GC1", severity, MESSAGES[severity], "1.0", pv_time, control.now.monotonic)], control.now)
    return [event.kind for event in control.take().events]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("latching", [True, False])
def test_what_comes_later_is_later_whatever_the_pv_says(wrong, latching):
    control = room(latching=latching)
    assert give(control, S.MAJOR, wrong) == [EventKind.ALARM]
    event = control.history[-1].events[0]
    assert (event.pv_time, event.time) == (wrong, control.now.wall)
    assert give(control, S.MINOR, START.wall) == [EventKind.CHANGED]
    assert give(control, S.OK, Nanos(START.wall + 1)) == [EventKind.CHANGED if latching else EventKind.CLEARED]
    assert control.severity(GC) is (S.MAJOR if latching else S.OK)
    assert give(control, S.INVALID, wrong) == [EventKind.ALARM]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_delay_is_as_long_as_it_is_whatever_the_pv_says(wrong):
    control = room(delay_s=5)
    give(control, S.MAJOR, wrong)
    assert control.severity(GC) is S.OK
    assert [event.kind for event in control.advance(4.8).events] == []
    assert [event.kind for event in control.advance(0.2).events] == [EventKind.ALARM]


@pytest.mark.parametrize("step_s", [-3600, 3600, -10 * 365 * 86_400, 10 * 365 * 86_400])
def test_a_clock_of_the_machine_that_is_set_changes_no_delay_and_no_order(step_s):
    control = room(delay_s=5)
    give(control, S.MAJOR, START.wall)
    times = [event.time for changes in control.history for event in changes.events]
    control.now = Moment(Nanos(control.now.wall + step_s * NANOS_PER_SECOND), control.now.monotonic)
    assert control.advance(4.8).events == []
    (event,) = control.advance(0.3).events
    assert event.kind is EventKind.ALARM
    give(control, S.OK, START.wall)
    times += [event.time for changes in control.history[-3:] for event in changes.events]
    assert times == sorted(times)
    since = control.leaf(GC).snapshot().since
    assert since in times


def test_alarms_of_a_whole_day_are_no_group_because_a_clock_was_set_back():
    control = room(delay_s=10, count=3)
    for hours in (20, 10, 0):  # each an hour apart, as the clock of the IOC goes back and back
        give(control, S.MAJOR, Nanos(START.wall + hours * DAY // 24))
        give(control, S.OK, Nanos(START.wall + hours * DAY // 24 + 1))
        control.now = control.now.plus_s(3600)
    assert control.severity(GC) is S.OK
    for n in range(3):
        give(control, S.MAJOR, Nanos(START.wall + n))
        give(control, S.OK, Nanos(START.wall + n))
    assert control.severity(GC) is not S.OK


def test_a_time_stamp_that_no_store_could_keep_is_the_latest_that_it_can():
    def buffer(seconds: int) -> bytes:
        return struct.pack("=hhIIi d", 3, 2, seconds, 0, 0, 1.0)

    now = Nanos(START.wall)
    assert decode(buffer(0xFFFFFFFF), TIME_FIRST + DOUBLE, 1, Form(), now).time == LATEST
    assert decode(buffer(0), TIME_FIRST + DOUBLE, 1, Form(), now).time == now
    assert decode(buffer(1), TIME_FIRST + DOUBLE, 1, Form(), now).time == 631_152_001 * NANOS_PER_SECOND


# ---------------------------------------------------------------------- an engine, and its history


class Set(SystemClock):
    """The clock of the machine, set by a test."""

    by_s = 0.0

    def now(self) -> Moment:
        now = super().now()
        return Moment(Nanos(now.wall + round(self.by_s * NANOS_PER_SECOND)), now.monotonic)


def says(message: str, event: Event) -> bool:
    return event.snapshot is not None and event.snapshot.current.message == message


@pytest.mark.parametrize("steps", [(-7200.0, 0.0), (3600.0, 0.0), (-3600.0, 7200.0)])
async def test_an_engine_whose_clock_is_set_writes_in_order_and_the_past_is_right(steps):
    site, clock = Site(), Set()
    await site.begin(GC1=AlarmSettings("Pressure", latching=False))
    written: list[tuple[Nanos, Severity]] = []
    severities = itertools.cycle([S.MAJOR, S.MINOR, S.INVALID, S.OK])
    try:
        for by_s in (0.0, *steps):
            settings = EngineSettings("test", "cell", (RunnerSettings(EvaluatorSettings("Demo")),))
            source = MemorySource()
            engine = Engine(settings, EnginePorts(site.journal, source, SoleOwnership(), clock))
            await engine.start()
            try:
                for wrong in WRONG.values():
                    severity = next(severities)
                    message = f"{severity.name}_{len(written)}"
                    source.put("GC1", severity, message, pv_time=wrong)
                    event = await site.until(partial(says, message))
                    assert event.pv_time == wrong
                    written.append((event.time, severity))
                    clock.by_s = by_s  # in the middle of it
            finally:
                await engine.stop()
        events = await site.events()
    finally:
        await site.journal.close()
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert [event.time for event in events] == sorted(event.time for event in events)
    history = MemoryHistory()
    await history.start()
    await history.write(events)
    for at, (time, severity) in enumerate(written):
        if at + 1 < len(written) and written[at + 1][0] == time:
            continue  # while the clock stands still, the last of them is what was
        (event,) = (await history.last_before("Demo", [GC], Nanos(time + 1))).values()
        assert event.snapshot
        assert event.snapshot.alarm.severity is severity
