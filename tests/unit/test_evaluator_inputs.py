"""Inputs in odd order, late, or missing: none of them may leave an alarm quiet."""

from __future__ import annotations

from datetime import UTC

import pytest

from alarm_engine.evaluator import Cause
from alarm_engine.evaluator.configuration import configure, remove
from alarm_engine.model.reading import Reading
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Moment, Nanos
from alarm_engine.wire.config import decode_config
from tests.unit.evaluating import MESSAGES, Control

S = Severity
GC = "/Demo/Vacuum/GC1"
MOVED = "/Demo/Ring/GC1"


def reading(severity: Severity, then: Moment) -> Reading:
    return Reading("GC1", severity, MESSAGES[severity], "1.0", then.wall, then.monotonic)


def test_a_channel_that_is_up_and_sends_no_value_is_an_alarm_after_the_time_out():
    control = Control({GC: AlarmSettings("Pressure")})
    control.link("GC1", True)
    control.advance(31)
    assert (control.severity(GC), control.leaf(GC).current.message) == (S.UNDEFINED, "Disconnected")
    control.sample("GC1", S.OK)
    assert control.leaf(GC).connected


def test_an_alarm_that_moves_is_subscribed_anew():
    control = Control({GC: AlarmSettings("Pressure")})
    control.sample("GC1", S.MAJOR)
    remove(control.evaluator, GC, Cause(), control.now)
    assert configure(control.evaluator, MOVED, AlarmSettings("Pressure"), Cause(), control.now) is None
    changes = control.take()
    assert (changes.unsubscribe, changes.subscribe) == ({"GC1"}, {"GC1"})


def test_an_alarm_that_comes_and_goes_in_one_batch_is_not_subscribed():
    control = Control()
    assert configure(control.evaluator, GC, AlarmSettings("Pressure"), Cause(), control.now) is None
    remove(control.evaluator, GC, Cause(), control.now)
    assert not control.take().subscribe


@pytest.mark.parametrize("one_batch", [True, False])
def test_a_delay_that_ran_out_while_the_journal_was_stuck_raises(one_batch):
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.OK)
    start = control.now
    high, back = reading(S.MAJOR, start.plus_s(1)), reading(S.OK, start.plus_s(50))
    if not one_batch:
        control.now = start.plus_s(1)
        control.evaluator.feed([high], control.now)
        control.take()
    control.now = start.plus_s(60)
    control.evaluator.feed([back] if one_batch is False else [high, back], control.now)
    changes = control.take()
    assert control.severity(GC) is S.MAJOR
    assert [event.time for event in changes.events] == sorted(event.time for event in changes.events)
    assert [talk.text for talk in changes.talks] == ["MAJOR Alarm: Pressure"]


def test_a_delay_that_ran_out_before_somebody_took_over_raises_whatever_came_since():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.MAJOR)
    start = control.now
    control.now = start.plus_s(19)
    successor = control.restarted()
    successor.evaluator.feed([reading(S.OK, start.plus_s(10))], successor.now)
    changes = successor.take()
    assert successor.severity(GC) is S.MAJOR
    assert [talk.text for talk in changes.talks] == ["MAJOR Alarm: Pressure"]


def test_a_blip_that_was_over_before_somebody_took_over_stays_one():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.MAJOR)
    start = control.now
    control.now = start.plus_s(19)
    successor = control.restarted()
    successor.evaluator.feed([reading(S.OK, start.plus_s(4))], successor.now)
    successor.advance(20)
    assert successor.severity(GC) is S.OK


def test_a_blip_shorter_than_its_delay_stays_one_however_late_it_is_evaluated():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.OK)
    start = control.now
    control.now = start.plus_s(60)
    control.evaluator.feed([reading(S.MAJOR, start.plus_s(1)), reading(S.OK, start.plus_s(4))], control.now)
    control.take()
    control.advance(20)
    assert control.severity(GC) is S.OK


def test_a_delay_that_ran_out_before_a_fresh_sample_came_is_an_alarm():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.OK)
    control.sample("GC1", S.MAJOR)
    control.now = control.now.plus_s(10)
    control.evaluator.feed([reading(S.OK, control.now)], control.now)
    assert [event.to_severity for event in control.take().events] == [S.MAJOR, S.MAJOR]
    assert control.leaf(GC).current.severity is S.OK


def test_an_alarm_that_is_raised_before_its_pv_is_fed_to_a_successor_is_connected():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    control.sample("GC1", S.MAJOR)
    control.now = control.now.plus_s(10)
    successor = control.restarted()
    successor.evaluator.presume(["GC1", "Another"])
    successor.evaluator.tick(successor.now)
    (event,) = successor.take().events
    assert event.to_severity is S.MAJOR
    assert event.snapshot.connected


def test_a_delay_runs_from_when_the_sample_came():
    control = Control({GC: AlarmSettings("Pressure", delay_s=5)})
    start = control.now
    control.now = start.plus_s(3)
    control.evaluator.feed([reading(S.MAJOR, start.plus_s(1))], control.now)
    control.take()
    assert control.evaluator.deadline() is not None
    control.advance(3.1)
    assert control.severity(GC) is S.MAJOR
    assert control.leaf(GC).logic.alarm.time == Nanos(start.plus_s(1).wall)


@pytest.mark.parametrize(
    "field", ['"delay":1000000000000', '"delay":1e300', '"delay":5,"count":1e30', '"count":9223372036854775807,"delay":9']
)
def test_no_number_of_a_record_ends_the_engine(field):
    settings = decode_config(f'{{"description":"Pressure",{field}}}'.encode(), UTC).settings
    assert isinstance(settings, AlarmSettings)
    control = Control({GC: settings})
    control.sample("GC1", S.MAJOR)
    control.advance(1)
    assert control.leaf(GC).current.severity is S.MAJOR


def test_a_path_of_very_many_levels_is_refused():
    control = Control()
    for levels, refused in ((50, False), (150, True), (1500, True)):
        path = "/Demo/" + "/".join(str(level) for level in range(levels))
        assert bool(configure(control.evaluator, path, AlarmSettings("Pressure"), Cause(), control.now)) is refused
        assert bool(configure(control.evaluator, path + "/node", NodeSettings(), Cause(), control.now))
    control.take()
