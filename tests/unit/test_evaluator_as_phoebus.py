"""What Phoebus was recorded doing beyond the logic of one alarm: components, switches, reminders."""

from __future__ import annotations

from alarm_engine.evaluator import Cause
from alarm_engine.evaluator.changes import LeafChange
from alarm_engine.evaluator.configuration import configure
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from tests.unit.evaluating import Control, only

S = Severity
K = CommandKind
GC = "/Demo/Vacuum/GC1"
QUIET = "/Demo/Vacuum/Q1"


def nodes(changes):
    return [(node.path, node.severity) for node in changes.nodes]


def test_a_component_has_no_state_before_there_is_an_alarm_below():
    control = Control()
    assert ("/Demo", S.OK) in nodes(control.history[-1])  # the life sign of a server
    assert configure(control.evaluator, "/Demo/P/Q", NodeSettings(), Cause(), control.now) is None
    assert nodes(control.take()) == []
    assert nodes(control.configure("/Demo/P/Q/R/X1", AlarmSettings("X"))) == [("/Demo/P/Q/R", S.OK), ("/Demo/P/Q", S.OK), ("/Demo/P", S.OK)]


def test_a_component_of_which_all_alarms_are_out_of_service_has_a_state():
    control = Control()
    assert configure(control.evaluator, "/Demo/P", NodeSettings(), Cause(), control.now) is None
    control.take()
    assert nodes(control.configure("/Demo/P/X1", AlarmSettings("X", enabled=False))) == [("/Demo/P", S.OK)]


def test_the_root_carries_a_new_mode_with_the_severity_that_comes_of_it():
    control = Control({GC: AlarmSettings("Pressure")})
    control.sample("GC1", S.INVALID)
    changes = control.command(K.MAINTENANCE, "/Demo")
    assert nodes(changes) == [("/Demo/Vacuum", S.INVALID_ACK), ("/Demo", S.INVALID_ACK)]
    assert nodes(control.command(K.NORMAL, "/Demo")) == [("/Demo", S.INVALID_ACK)]


def test_a_switch_that_stands_already_publishes_nothing_and_is_answered():
    control = Control({GC: AlarmSettings("Pressure")})
    for kind in (K.NORMAL, K.ENABLE_NOTIFY):
        changes = control.command(kind, "/Demo")
        assert nodes(changes) == []
        assert only(changes).kind is EventKind.COMMAND
    control.command(K.MAINTENANCE, "/Demo")
    control.sample("GC1", S.INVALID)
    assert nodes(control.command(K.MAINTENANCE, "/Demo")) == []


def test_a_reminder_that_found_nothing_comes_with_the_next_alarm_even_a_silent_one():
    control = Control({GC: AlarmSettings("Pressure"), QUIET: AlarmSettings("Quiet", annunciating=False)}, nag_period_s=12)
    control.sample("GC1", S.OK)
    control.sample("Q1", S.OK)
    assert control.advance(30).talks == []
    changes = control.sample("Q1", S.MINOR)
    assert [(t.text, t.severity) for t in changes.talks] == [(" There is 1 active alarm", S.MINOR)]
    assert control.advance(11).talks == []
    assert [t.text for t in control.advance(1.5).talks] == [" There is 1 active alarm"]
    assert [t.text for t in control.sample("GC1", S.MAJOR).talks] == ["MAJOR Alarm: Pressure"]
    assert control.advance(11).talks == []
    assert [t.text for t in control.advance(1.5).talks] == [" There are 2 active alarms"]


def test_an_alarm_that_speaks_is_reminder_enough():
    control = Control({GC: AlarmSettings("Pressure")}, nag_period_s=12)
    control.sample("GC1", S.OK)
    control.advance(30)
    assert [t.text for t in control.sample("GC1", S.MAJOR).talks] == ["MAJOR Alarm: Pressure"]
    assert control.sample("GC1", S.MAJOR, "LOLO_ALARM").talks == []


def test_another_date_for_what_is_hidden_already_is_an_event_and_no_new_state():
    control = Control({GC: AlarmSettings("Pressure")})
    control.sample("GC1", S.MAJOR)
    later = Nanos(control.now.wall + 60_000_000_000)
    for until, records in ((later, 1), (Nanos(later + 60_000_000_000), 0), (None, 0)):
        changes = control.configure(GC, AlarmSettings("Pressure", enabled=False, enabled_at=until))
        assert sum(isinstance(step, LeafChange) for step in changes.steps) == records
        event = changes.events[-1]
        assert event.kind is (EventKind.SHELVED if until else EventKind.DISABLED)
        assert event.snapshot
        assert event.snapshot.suppression
        assert event.snapshot.suppression.until == until
