"""What must hold for every sequence of inputs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import PRIORITY, Severity
from alarm_engine.model.times import Moment, Nanos
from tests.unit.evaluating import START, Control

PATHS = ("/Demo/A/p0", "/Demo/A/p1", "/Demo/B/C/p2", "/Demo/p3")
LIVE = [Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID, Severity.UNDEFINED]

SETTINGS = st.builds(
    AlarmSettings,
    description=st.sampled_from(["one", "two"]),
    latching=st.booleans(),
    annunciating=st.booleans(),
    delay_s=st.sampled_from([0, 0, 2]),
    count=st.sampled_from([0, 3]),
)
PATH = st.sampled_from(PATHS)
STEP = st.one_of(
    st.tuples(st.just("sample"), PATH, st.sampled_from(LIVE), st.sampled_from(["a", "b"])),
    st.tuples(st.just("sample"), PATH, st.sampled_from(LIVE), st.just("UDF_ALARM")),
    st.tuples(st.just("link"), PATH, st.booleans(), st.none()),
    st.tuples(
        st.just("command"),
        st.sampled_from([*PATHS, "/Demo", "/Demo/B"]),
        st.sampled_from([k for k in CommandKind if "notify" not in k]),
        st.none(),
    ),
    st.tuples(st.just("wait"), st.none(), st.sampled_from([0.5, 3.0, 40.0]), st.none()),
    st.tuples(st.just("edit"), PATH, SETTINGS, st.none()),
)
STEPS = st.lists(STEP, max_size=40)


def play(control: Control, step: tuple) -> None:
    kind, path, value, extra = step
    if kind == "sample":
        control.sample(path.rsplit("/", 1)[1], value, extra)
    elif kind == "link":
        control.link(path.rsplit("/", 1)[1], value)
    elif kind == "command":
        until = Nanos(control.now.wall + 5_000_000_000) if value is CommandKind.SHELVE else None
        control.command(value, path, until=until)
    elif kind == "wait":
        control.advance(value)
    else:
        old = control.leaf(path).settings
        control.configure(path, replace(value, enabled=old.enabled, enabled_at=old.enabled_at))


def build(configs: list[AlarmSettings], start: Moment = START) -> Control:
    return Control(dict(zip(PATHS, configs, strict=True)), start)


CONFIGS = st.lists(SETTINGS, min_size=len(PATHS), max_size=len(PATHS))


@given(CONFIGS, STEPS)
@settings(max_examples=150, deadline=None)
def test_a_rise_is_never_silent(configs, steps):
    """Whenever an alarm is higher than it was, an event says so; and it is spoken if the alarm annunciates."""
    control = build(configs)
    for step in steps:
        before = {path: control.severity(path) for path in PATHS}
        mark = len(control.history)
        play(control, step)
        events = [e for changes in control.history[mark:] for e in changes.events]
        spoken = [t for changes in control.history[mark:] for t in changes.talks]
        for path in PATHS:
            after = control.severity(path)
            if not after.is_active or PRIORITY[after] <= PRIORITY[before[path]]:
                continue
            rises = [e for e in events if e.path == path and e.to_severity.is_active and e.snapshot and e.snapshot.alarm.severity == after]
            assert rises, f"{path} rose to {after.name} without an event"
            said = any(e.annunciated for e in rises if e.kind in (EventKind.ALARM, EventKind.UNSHELVED, EventKind.ENABLED))
            operator = step[0] == "command" and step[2] is CommandKind.UNACKNOWLEDGE
            edited = step[0] == "edit"
            if control.leaf(path).settings.annunciating and not operator and not edited:
                assert said
                assert any(t.path == path for t in spoken) or len(spoken) == 1


@given(CONFIGS, STEPS, PATH)
@settings(max_examples=100, deadline=None)
def test_an_equal_sample_never_loses_an_acknowledgement(configs, steps, path):
    control = build(configs)
    for step in steps:
        play(control, step)
    leaf = control.leaf(path)
    if not leaf.logic.enabled:
        return
    control.command(CommandKind.ACKNOWLEDGE, path)
    acknowledged, current = leaf.logic.alarm, leaf.logic.current
    if not acknowledged.severity.is_acknowledged or leaf.kept is not None:  # kept: its PV is away, its return is news
        return
    for _ in range(3):
        assert control.sample(leaf.pv, current.severity, current.message).steps == []
    assert leaf.logic.alarm == acknowledged
    assert leaf.acknowledgement is not None


@given(CONFIGS, STEPS)
@settings(max_examples=100, deadline=None)
def test_roll_up_is_the_maximum_over_the_alarms_below(configs, steps):
    control = build(configs)
    for step in steps:
        play(control, step)
        published: dict[str, Severity] = {}
        for changes in control.history:
            published.update({node.path: node.severity for node in changes.nodes})
        for path in ("/Demo", "/Demo/A", "/Demo/B", "/Demo/B/C"):
            below = [leaf for p, leaf in control.evaluator.tree.leaves.items() if p.startswith(path + "/") and not leaf.suppression]
            assert published.get(path, Severity.OK) == max((leaf.logic.alarm.severity for leaf in below), default=Severity.OK)


@given(CONFIGS, STEPS)
@settings(max_examples=150, deadline=None)
def test_replaying_the_records_gives_the_same_state(configs, steps):
    control = build(configs)
    for step in steps:
        play(control, step)
    again = control.restarted()
    for path in PATHS:
        old, new = control.leaf(path), again.leaf(path)
        if old.settings.enabled_at is not None and old.settings.enabled_at <= again.now.wall:
            continue  # its shelf ended in between
        assert new.logic.alarm == old.logic.alarm or not old.logic.enabled or not old.logic.alarm.message
        assert new.logic.enabled == old.logic.enabled
        assert (new.logic.current[:2] == old.logic.current[:2]) or new.version is None or not old.logic.enabled
        assert new.acknowledgement == old.acknowledgement
        assert new.suppression == old.suppression
        assert new.logic.pending == old.logic.pending
        assert new.rise == old.rise
        kept = (new.kept or new.logic.alarm, old.kept or old.logic.alarm)
        assert kept[0][:2] == kept[1][:2] or not old.logic.enabled
        assert new.snapshot().acknowledgement == old.snapshot().acknowledgement


@given(CONFIGS, STEPS, st.integers(-(10**15), 10**15))
@settings(max_examples=100, deadline=None)
def test_no_decision_depends_on_the_wall_clock(configs, steps, shift):
    """Shelving ends by date and is left out; all else is the same however the clock is set."""
    steps = [step for step in steps if not (step[0] == "command" and step[2] is CommandKind.SHELVE)]
    one, other = build(configs), build(configs, Moment(Nanos(START.wall + shift), START.monotonic))
    disconnected_at = {}
    for step in steps:
        # Lost PVs have no time stamp of their own and get the engine's; what follows compares with it.
        if step[0] == "link" or (step[0] == "wait" and step[2] == 40.0):
            disconnected_at[step[1]] = True
            continue
        play(one, step)
        play(other, step)
    decisions = [
        [(e.kind, e.path, e.from_severity, e.to_severity, e.reason, e.annunciated) for changes in c.history for e in changes.events]
        for c in (one, other)
    ]
    assert decisions[0] == decisions[1]


@given(SETTINGS, st.sampled_from(LIVE[1:4]), st.sampled_from([0.1, 1.0, 50.0]))
@settings(deadline=None)
def test_an_acknowledgement_survives_a_disconnect(config, severity, away_s):
    control = Control({PATHS[0]: config})
    control.sample("p0", severity, "a")
    control.advance(5)
    control.command(CommandKind.ACKNOWLEDGE, PATHS[0])
    assert control.severity(PATHS[0]) is severity.acknowledged
    control.link("p0", False)
    control.advance(away_s)
    control.link("p0", True)
    control.sample("p0", severity, "a")
    assert control.severity(PATHS[0]) is severity.acknowledged
    assert control.leaf(PATHS[0]).snapshot().acknowledgement is not None
