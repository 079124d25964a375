"""A recording that is played with the settings that it was made with gives what was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import decode_event, encode_event
from backend.tuning.recording import Recording
from backend.tuning.replay import play
from tests.unit.evaluating import Control, event_id
from tests.unit.test_evaluator_properties import CONFIGS, PATHS, STEP
from tests.unit.test_evaluator_properties import play as act

SHARED = (EventKind.COMMAND, EventKind.MODE, EventKind.ENGINE)
RESTART = st.just(("restart", None, None, None))
STEPS = st.lists(st.one_of(STEP.filter(lambda step: step[0] != "edit"), RESTART), max_size=60)


def events_of(controls: Iterable[Control]) -> list[Event]:
    """As a history store gives them back."""
    return [decode_event(encode_event(event)) for control in controls for changes in control.history for event in changes.events]


def recording_of(events: Iterable[Event], path: str, end: int, start: int = 0) -> Recording:
    mine = [event for event in events if event.path == path or event.kind in SHARED]
    before = [event for event in mine if event.time < start]
    own = [event for event in before if event.path == path and event.snapshot is not None]
    modes = [event.reason for event in before if event.kind is EventKind.MODE and event.reason in ("maintenance", "normal")]
    later = tuple(event for event in mine if event.time >= start)
    return Recording("Demo", path, Nanos(start), Nanos(end), later, own[-1] if own else None, bool(modes) and modes[-1] == "maintenance")


def told(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """What an operator sees of each event; a shelf is played as out of service, and another end of it is no news."""
    as_disabled = {EventKind.SHELVED: EventKind.DISABLED, EventKind.UNSHELVED: EventKind.ENABLED}
    found, hidden = [], False
    for e in events:
        kind = as_disabled.get(e.kind, e.kind)
        if not (kind is EventKind.DISABLED and hidden):
            found.append((kind, e.time, e.from_severity, e.to_severity, e.annunciated, e.snapshot and e.snapshot.alarm[:3]))
        hidden = e.snapshot is not None and e.snapshot.suppression is not None
    return found


def session(configs: list[AlarmSettings], steps: Iterable[tuple]) -> list[Control]:
    """Controls of one site, one after the other."""
    controls = [Control(dict(zip(PATHS, configs, strict=True)))]
    for step in steps:
        control = controls[-1]
        if step[0] != "restart":
            act(control, step)
        elif all(leaf.logic.pending is None for leaf in control.evaluator.tree.leaves.values()):
            # While no engine runs no delay ends: what a history cannot tell is not compared.
            again = control.restarted()
            again.records = [*control.records]
            again.evaluator.begin(again.now)
            again.take()
            controls.append(again)
    return controls


@given(CONFIGS, STEPS)
@settings(max_examples=100, deadline=None)
def test_with_its_own_settings_a_recording_is_played_as_it_was(configs, steps):
    controls = session(configs, steps)
    events = events_of(controls)
    for path, config in zip(PATHS, configs, strict=True):
        recording = recording_of(events, path, controls[-1].now.wall + 1)
        assert told(play(recording, config).events) == told(recording.own)
        assert recording.breaks == 0


PROMPT = st.lists(st.builds(AlarmSettings, latching=st.booleans(), annunciating=st.booleans()), min_size=4, max_size=4)
CONNECTED = STEP.filter(lambda step: step[0] in ("sample", "command") or (step[0] == "wait" and step[2] < 30))


@given(PROMPT, st.lists(CONNECTED, min_size=1, max_size=40), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_recording_that_begins_in_the_middle_goes_on_from_what_was(configs, steps, share):
    """Without what only the engine's memory knows: a delay that runs, and an acknowledgement that waits for its PV."""
    events = events_of(session(configs, [("sample", path, Severity.OK, "a") for path in PATHS] + steps))
    middle = events[round(share * (len(events) - 1))].time
    for path, config in zip(PATHS, configs, strict=True):
        recording = recording_of(events, path, events[-1].time + 1, middle)
        assert told(play(recording, config).events) == told(recording.own)


PATH, PV = "/Demo/A/p0", "p0"
OK, MINOR, MAJOR, INVALID = Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID
LATCHING = AlarmSettings("pump")


def whole(*controls: Control) -> Recording:
    return recording_of(events_of(controls), PATH, controls[-1].now.wall + 1)


def without_commands(recording: Recording) -> Recording:
    return replace(recording, events=tuple(event for event in recording.events if event.kind is not EventKind.COMMAND))


def test_acknowledgements_are_played_also_where_no_command_is_recorded():
    control = Control({PATH: LATCHING})
    control.sample(PV, MAJOR)
    control.command(CommandKind.ACKNOWLEDGE, PATH)
    recording = whole(control)
    assert told(play(without_commands(recording), LATCHING).events) == told(recording.own)
    control.command(CommandKind.UNACKNOWLEDGE, PATH)
    recording = whole(control)
    assert told(play(without_commands(recording), LATCHING).events) == told(recording.own)


def test_an_alarm_that_was_left_alone_stays_so():
    control = Control({PATH: LATCHING})
    seen = event_id(control)
    control.sample(PV, MAJOR)
    control.command(CommandKind.ACKNOWLEDGE, "/Demo", seen=seen)
    recording = whole(control)
    assert told(play(recording, LATCHING).events) == told(recording.own)
    assert recording.events[-1].result is not None
    assert recording.events[-1].result.left_alone == (PATH,)


def test_maintenance_mode_acknowledges_what_is_high_enough_with_the_other_settings():
    """Latched INVALID was acknowledged by it; the MINOR that a following alarm would have been is not."""
    control = Control({PATH: LATCHING})
    control.sample(PV, INVALID)
    control.sample(PV, MINOR)
    control.command(CommandKind.MAINTENANCE, "/Demo")
    recording = whole(control)
    assert [event.to_severity for event in recording.own][-1] is MINOR.acknowledged
    assert [event.to_severity for event in play(recording, LATCHING, replace(LATCHING, latching=False)).events][-1] is MINOR


def test_a_hidden_alarm_is_told_again_what_its_pv_says_after_a_restart():
    control = Control({PATH: LATCHING})
    control.sample(PV, MAJOR)
    control.command(CommandKind.DISABLE, PATH)
    again = control.restarted()
    again.evaluator.begin(again.now)
    again.take()
    again.pv_time = Nanos(again.pv_time - 1_000_000)  # the time stamp is that of the last change, which was before
    again.sample(PV, MAJOR)
    again.command(CommandKind.ENABLE, PATH)
    recording = whole(control, again)
    assert told(recording.own)[-1][3] is MAJOR
    assert told(play(recording, LATCHING).events) == told(recording.own)
