"""What an operator and an engineer see of one evaluator."""

from dataclasses import replace

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.reading import Connection, Failure, Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId
from alarm_engine.model.times import LATEST, Nanos
from tests.unit.evaluating import Control, event_id, kinds, only

S = Severity
K = CommandKind
GC = "/Demo/Vacuum/GC1"
GV = "/Demo/Vacuum/GV1"
HOUR = 3_600_000_000_000


def room(**fields) -> Control:
    return Control({GC: AlarmSettings("Pressure", **fields), GV: AlarmSettings("Gate valve")})


def test_a_rise_is_an_event_a_state_its_parents_and_a_sentence():
    changes = room().sample("GC1", S.MAJOR, value="3e-7")
    event = only(changes)
    assert (event.kind, event.from_severity, event.to_severity, event.annunciated) == (EventKind.ALARM, S.OK, S.MAJOR, True)
    assert event.snapshot
    assert (event.snapshot.alarm.value, event.snapshot.rise, event.snapshot.connected) == ("3e-7", event.id, True)
    assert [(n.path, n.severity) for n in changes.nodes] == [("/Demo/Vacuum", S.MAJOR), ("/Demo", S.MAJOR)]
    assert [t.text for t in changes.talks] == ["MAJOR Alarm: Pressure"]


def test_an_equal_sample_is_silent():
    control = room()
    control.sample("GC1", S.MAJOR)
    assert control.sample("GC1", S.MAJOR, value="other").is_empty


def test_ancestors_are_published_once_a_batch():
    control = room()
    now = control.now
    batch = [Reading(pv, S.MINOR, "HIGH_ALARM", "1", now.wall, now.monotonic) for pv in ("GC1", "GV1")]
    control.evaluator.feed(batch, now)
    changes = control.take()
    assert len(changes.steps) == 2
    assert [n.path for n in changes.nodes] == ["/Demo/Vacuum", "/Demo"]


def test_who_acknowledged_and_why_is_kept_with_the_alarm():
    control = room()
    control.sample("GC1", S.MAJOR)
    event = control.command(K.ACKNOWLEDGE, GC, id="c1", reason="valve is being changed").events[0]
    assert event.kind is EventKind.ACKNOWLEDGED
    assert event.snapshot
    assert event.snapshot.acknowledgement
    assert (event.snapshot.acknowledgement.user, event.snapshot.acknowledgement.reason) == ("mara", "valve is being changed")
    closing = control.history[-1].events[-1]
    assert closing.kind is EventKind.COMMAND
    assert closing.correlation == "c1"
    assert closing.result
    assert (closing.result.done, closing.result.left_alone) == (1, ())


def test_acknowledging_a_component_takes_every_alarm_below():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.sample("GV1", S.MINOR)
    changes = control.command(K.ACKNOWLEDGE, "/Demo")
    assert kinds(changes) == [EventKind.ACKNOWLEDGED, EventKind.ACKNOWLEDGED, EventKind.COMMAND]
    assert control.severity("/Demo") is S.MAJOR_ACK


def test_nobody_acknowledges_what_he_has_not_seen():
    control = room()
    control.sample("GV1", S.MINOR)
    seen = event_id(control)
    control.sample("GC1", S.MAJOR)
    changes = control.command(K.ACKNOWLEDGE, "/Demo", seen=seen)
    assert changes.events[-1].result
    assert changes.events[-1].result.left_alone == (GC,)
    assert control.severity(GC) is S.MAJOR
    assert control.severity(GV) is S.MINOR_ACK


def test_an_acknowledgement_survives_a_disconnect():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    assert kinds(control.link("GC1", False)) == [EventKind.ALARM]
    assert control.severity(GC) is S.UNDEFINED
    control.link("GC1", True)
    control.sample("GC1", S.INVALID, "UDF_ALARM")  # the record has not been processed yet
    control.sample("GC1", S.MAJOR)
    assert control.severity(GC) is S.MAJOR_ACK
    snapshot = control.leaf(GC).snapshot()
    assert snapshot.acknowledgement
    assert snapshot.acknowledgement.user == "mara"


def test_a_worse_alarm_after_a_disconnect_is_not_covered():
    control = room()
    control.sample("GC1", S.MINOR)
    control.command(K.ACKNOWLEDGE, GC)
    control.link("GC1", False)
    control.link("GC1", True)
    control.sample("GC1", S.MAJOR)
    assert control.severity(GC).is_active


def test_an_acknowledged_alarm_that_comes_back_good_leaves_the_disconnect_to_be_acknowledged():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    control.link("GC1", False)
    control.sample("GC1", S.OK)
    assert control.severity(GC) is S.UNDEFINED


def test_an_acknowledgement_survives_a_blip_within_the_delay():
    control = room(delay_s=5)
    control.sample("GC1", S.MAJOR)
    control.advance(6)
    control.command(K.ACKNOWLEDGE, GC)
    control.link("GC1", False)
    control.link("GC1", True)
    control.sample("GC1", S.MAJOR)
    control.advance(10)
    assert control.severity(GC) is S.MAJOR_ACK


def test_a_pv_that_never_connects_is_an_alarm_after_the_time_out():
    control = Control({GC: AlarmSettings("Pressure")}, connection_timeout_s=30)
    assert control.advance(29).events == []
    event = only(control.advance(2))
    assert event.snapshot
    assert (event.to_severity, event.snapshot.alarm.message) == (S.UNDEFINED, "Disconnected")


def test_a_pv_that_cannot_be_created_says_so():
    control = room()
    control.evaluator.feed([Failure("GC1", "unknown protocol", control.now.wall, control.now.monotonic)], control.now)
    event = only(control.take())
    assert event.snapshot
    assert (event.to_severity, event.snapshot.alarm.message) == (S.UNDEFINED, "No PV")


def test_delay_runs_on_the_timer_and_keeps_the_time_of_the_sample():
    control = room(delay_s=5)
    control.sample("GC1", S.MAJOR)
    at = control.pv_time
    assert control.severity(GC) is S.OK
    assert kinds(control.advance(4.9)) == []
    event = only(control.advance(0.2))
    assert event.snapshot
    assert (event.kind, event.snapshot.alarm.time) == (EventKind.ALARM, at)


def test_shelving_hides_tracks_and_ends():
    control = room()
    control.sample("GC1", S.MAJOR)
    until = Nanos(control.now.wall + HOUR)
    changes = control.command(K.SHELVE, GC, until=until, reason="pump exchange")
    assert kinds(changes) == [EventKind.SHELVED, EventKind.COMMAND]
    assert changes.configs[0].settings.enabled_at is not None
    assert control.severity("/Demo") is S.OK
    tracked = only(control.sample("GC1", S.MINOR))
    assert tracked.snapshot
    assert (tracked.snapshot.current.severity, tracked.snapshot.alarm.message) == (S.MINOR, "Disabled")
    changes = control.advance(3700)
    event = next(e for e in changes.events if e.kind is EventKind.UNSHELVED)
    assert (event.to_severity, event.annunciated) == (S.MINOR, True)
    assert control.leaf(GC).settings.enabled


def test_an_acknowledged_alarm_comes_back_acknowledged_from_the_shelf():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    control.command(K.SHELVE, GC, until=Nanos(control.now.wall + HOUR))
    changes = control.command(K.UNSHELVE, GC)
    assert control.severity(GC) is S.MAJOR_ACK
    assert not changes.talks


def test_out_of_service_needs_somebody_to_end_it():
    control = room()
    control.command(K.DISABLE, GC)
    assert control.leaf(GC).logic.alarm.message == "Disabled"
    assert kinds(control.command(K.UNSHELVE, GC)) == [EventKind.COMMAND]
    control.advance(7200)
    assert not control.leaf(GC).settings.enabled
    assert kinds(control.command(K.ENABLE, GC)) == [EventKind.ENABLED, EventKind.COMMAND]


def test_acknowledging_what_is_not_in_alarm_publishes_as_phoebus_does():
    control = Control({GC: AlarmSettings("Pressure", latching=False)})
    control.sample("GC1", S.MAJOR)
    control.sample("GC1", S.OK)  # the alarm follows: OK / NO_ALARM
    changes = control.command(K.ACKNOWLEDGE, GC)
    assert control.leaf(GC).logic.alarm.message == "OK"
    assert kinds(changes) == [EventKind.COMMAND]  # nothing happened to it: no event
    assert len(changes.steps) == 2  # but its state once more, and the answer


def test_commands_are_refused_with_a_sentence():
    control = room()
    old = control.command(K.ACKNOWLEDGE, GC, sent=Nanos(control.now.wall - 20_000_000_000))
    assert "20 s old" in only(old).reason
    assert "no alarm and no component" in only(control.command(K.ACKNOWLEDGE, "/Demo/nowhere")).reason
    assert "needs a time" in only(control.command(K.SHELVE, GC)).reason
    assert "has passed" in only(control.command(K.SHELVE, GC, until=Nanos(control.now.wall - 1))).reason
    for far in (LATEST + 1, 253_402_300_799 * 10**9, 10**30):  # the last two cannot be written as a date, or not in 64 bits
        assert "more than 400 days away" in only(control.command(K.SHELVE, GC, until=Nanos(far))).reason
    assert control.leaf(GC).suppression is None


def test_a_retry_is_answered_again_and_executed_once():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC, id="c1")
    control.sample("GC1", S.INVALID)
    event = only(control.command(K.ACKNOWLEDGE, GC, id="c1"))
    assert (event.kind, event.correlation) == (EventKind.COMMAND, "c1")
    assert control.severity(GC) is S.INVALID


def test_an_edit_keeps_the_acknowledgement():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    event = only(control.configure(GC, AlarmSettings("Pressure in sector 1", delay_s=3)))
    assert "description" in event.reason
    assert "delay_s" in event.reason
    assert control.severity(GC) is S.MAJOR_ACK
    snapshot = control.leaf(GC).snapshot()
    assert snapshot.acknowledgement


def test_an_edit_that_ends_latching_lets_a_recovered_alarm_go():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.sample("GC1", S.OK)
    assert control.severity(GC) is S.MAJOR
    control.configure(GC, AlarmSettings("Pressure", latching=False))
    assert control.severity(GC) is S.OK
    assert control.severity("/Demo") is S.OK


def test_an_edit_of_one_does_not_touch_the_other():
    control = room()
    control.sample("GV1", S.MAJOR)
    before = control.leaf(GV)
    changes = control.configure(GC, AlarmSettings("Other text"))
    assert control.leaf(GV) is before
    assert not changes.subscribe
    assert not changes.unsubscribe


def test_a_removed_alarm_takes_its_state_with_it():
    control = room()
    control.sample("GC1", S.MAJOR)
    changes = control.remove("/Demo/Vacuum")
    assert kinds(changes) == [EventKind.REMOVED] * 2
    assert changes.unsubscribe == {"GC1", "GV1"}
    assert control.severity("/Demo") is S.OK
    assert "state:/Demo/Vacuum/GC1" in [r.key for r in control.records if r.value is None]


def test_the_same_pv_in_two_places_is_watched_once_and_told_to_both():
    control = room()
    control.sample("GC1", S.MINOR)
    changes = control.configure("/Demo/Other/GC1", AlarmSettings("Twice"))
    assert control.severity("/Demo/Other/GC1") is S.MINOR
    assert changes.events[-1].kind is EventKind.ALARM
    assert not control.remove("/Demo/Other/GC1").unsubscribe


def test_a_leaf_below_a_leaf_is_refused():
    from alarm_engine.evaluator import Cause
    from alarm_engine.evaluator.configuration import configure

    control = room()
    problem = configure(control.evaluator, GC + "/below", AlarmSettings("x"), Cause(), control.now)
    assert problem
    assert "something else stands there" in problem
    assert configure(control.evaluator, "/Other/x", AlarmSettings("x"), Cause(), control.now)


def test_mass_disconnect_is_spoken_once():
    control = Control({f"/Demo/V/P{n}": AlarmSettings(f"PV {n}") for n in range(50)})
    now = control.now
    control.evaluator.feed([Connection(f"P{n}", False, "", now.wall, now.monotonic) for n in range(50)], now)
    changes = control.take()
    assert [t.text for t in changes.talks] == [" 50 alarms: PV disconnected"]
    assert kinds(changes) == [EventKind.ALARM] * 50


def test_a_mass_of_timers_is_taken_in_turns():
    control = Control({f"/Demo/V/P{n}": AlarmSettings(f"PV {n}") for n in range(50)})
    control.now = control.now.plus_s(60)
    seen = []
    while (deadline := control.evaluator.deadline()) is not None and deadline <= control.now.monotonic:
        control.evaluator.tick(control.now, 20)
        seen.append(len(control.take().events))
    assert max(seen) <= 20
    assert sum(seen) == 50


def test_a_mass_disconnect_after_a_delay_is_spoken_once_too():
    control = Control({f"/Demo/V/P{n}": AlarmSettings(f"PV {n}", delay_s=5) for n in range(50)})
    now = control.now
    control.evaluator.feed([Connection(f"P{n}", False, "", now.wall, now.monotonic) for n in range(50)], now)
    assert not control.take().talks
    assert [t.text for t in control.advance(6).talks] == [" 50 alarms: PV disconnected"]


def test_what_is_unacknowledged_counts_as_risen_for_those_who_saw_it_acknowledged():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    seen = event_id(control)
    control.command(K.UNACKNOWLEDGE, GC)
    changes = control.command(K.ACKNOWLEDGE, GC, seen=seen)
    assert changes.events[-1].result
    assert changes.events[-1].result.left_alone == (GC,)


def test_unacknowledging_follows_the_pv_with_an_event():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.sample("GC1", S.MAJOR, "LOLO_ALARM")  # latched: the alarm keeps HIHI_ALARM
    event = control.command(K.UNACKNOWLEDGE, GC).events[0]
    assert event.kind is EventKind.UNACKNOWLEDGED
    assert event.snapshot
    assert event.snapshot.alarm.message == "LOLO_ALARM"


def test_maintenance_acknowledges_invalid_and_is_kept_over_a_restart():
    control = room()
    control.sample("GC1", S.INVALID)
    control.command(K.MAINTENANCE, "/Demo")
    assert control.severity(GC) is S.INVALID_ACK
    again = control.restarted()
    assert again.evaluator.switches.maintenance
    assert again.severity(GC) is S.INVALID_ACK


def test_life_sign_and_nag():
    control = Control({GC: AlarmSettings("Pressure")})
    control.sample("GC1", S.MAJOR)
    changes = control.advance(10.5)
    assert [n.path for n in changes.nodes] == ["/Demo"]
    changes = control.advance(900)
    assert [t.text for t in changes.talks] == [" There is 1 active alarm"]


def test_a_restart_restores_everything_and_is_silent_for_equal_samples():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC, reason="known")
    control.sample("GV1", S.MINOR)
    control.sample("GV1", S.OK)
    again = control.restarted()
    assert again.leaf(GC).snapshot() == replace(control.leaf(GC).snapshot(), connected=False)
    assert again.severity(GV) is S.MINOR
    assert again.sample("GC1", S.MAJOR).steps == []
    assert again.sample("GV1", S.OK).steps == []


def test_a_restart_in_the_middle_of_a_delay_goes_on_waiting():
    control = room(delay_s=5)
    control.sample("GC1", S.MAJOR)
    control.advance(2)
    again = control.restarted()  # one second later
    assert again.severity(GC) is S.OK
    again.advance(1.5)
    assert again.severity(GC) is S.OK
    again.advance(1)
    assert again.severity(GC) is S.MAJOR


def test_a_shelf_that_ended_while_nobody_was_there():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.SHELVE, GC, until=Nanos(control.now.wall + 5_000_000_000))
    control.now = control.now.plus_s(60)
    again = control.restarted()
    again.evaluator.tick(again.now)
    changes = again.take()
    assert kinds(changes) == [EventKind.UNSHELVED]
    assert changes.runtimes == {GC: None}
    assert [(write.path, write.settings.enabled) for write in changes.configs] == [(GC, True)]
    assert again.leaf(GC).settings.enabled
    assert kinds(again.sample("GC1", S.MAJOR)) == [EventKind.ALARM]


def test_an_acknowledgement_outlives_a_shelf_that_ended_while_nobody_was_there():
    control = room()
    control.sample("GC1", S.MAJOR)
    control.command(K.ACKNOWLEDGE, GC)
    control.command(K.SHELVE, GC, until=Nanos(control.now.wall + 5_000_000_000))
    control.now = control.now.plus_s(60)
    again = control.restarted()
    again.evaluator.tick(again.now)
    again.take()
    again.sample("GC1", S.MAJOR)
    assert again.severity(GC) is S.MAJOR_ACK


def test_event_time_never_runs_back():
    control = room()
    first = only(control.sample("GC1", S.MAJOR))
    control.now = replace(control.now, wall=Nanos(control.now.wall - HOUR))
    second = only(control.sample("GC1", S.OK))
    assert second.time >= first.time
    assert second.id == EventId("Demo", first.id.epoch, first.id.n + 1)


def test_foreign_shelving_by_a_config_record():
    control = room()
    control.sample("GC1", S.MAJOR)
    until = Nanos(control.now.wall + HOUR)
    event = only(control.configure(GC, AlarmSettings("Pressure", enabled=False, enabled_at=until)))
    assert event.kind is EventKind.SHELVED
    assert event.snapshot
    assert event.snapshot.suppression
    assert (event.snapshot.suppression.user, event.snapshot.suppression.until) == ("sam", until)
    assert only(control.configure(GC, AlarmSettings("Pressure"))).kind is EventKind.UNSHELVED
