"""A recording that is played with the settings that it was made with gives what was recorded."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.model.event import Event, EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import decode_event, encode_event
from backend.tuning.recording import Recording
from backend.tuning.replay import play
from tests.unit.evaluating import Control
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
