"""Events that follow from the records of a Phoebus server, against what real servers were recorded publishing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event, EventKind, Origin
from alarm_engine.model.path import canonical, is_below
from alarm_engine.model.severity import Severity
from alarm_engine.wire.command import kind_of
from alarm_engine.wire.event import decode_event, encode_event
from alarm_engine.wire.state import LeafState, decode_state
from backend.phoebus.derivation import FOUND, GAP, Derivation
from tests.unit.phoebus_records import SECOND, SESSIONS, Recorded, at, derive

SPOKEN_AGAIN = {"connection": 1, "enablement": 5, "filter": 1, "tree_edits": 1}
"""Announcements of alarms that an edit began anew, with a state as it was: nothing rose."""
FORGED = Counter({("/Tree/Sub/T:a", "MAJOR"): 1})
"""A state that no server wrote, but a step of the session."""


@pytest.fixture(scope="module", params=SESSIONS)
def session(request) -> tuple[str, Recorded]:
    return request.param, Recorded.load(request.param)


def states(recorded: Recorded) -> dict[str, list[LeafState]]:
    """The states of each alarm that differ from the one before, since it was added or was told of again."""
    found: dict[str, list[LeafState]] = {}
    for record in recorded.keyed("state"):
        if record.value is None:
            continue
        try:
            state = decode_state(record.value)
        except WireError:
            continue
        if isinstance(state, LeafState):
            found.setdefault(canonical(record.key.partition(":")[2]), []).append(state)
    return found


def tell(state: LeafState) -> tuple[object, ...]:
    return (*state.alarm[:4], state.current_severity, state.current_message)


def of_alarms(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.snapshot is not None or event.kind is EventKind.REMOVED:
            found.setdefault(event.path, []).append(event)
    return found


def test_each_transition_that_was_recorded_is_one_event(session):
    name, recorded = session
    events = of_alarms(derive(Derivation(recorded.config, UTC), recorded.records))
    removed = {event.path for one in events.values() for event in one if event.kind is EventKind.REMOVED}
    recordings = states(recorded)
    assert len(recordings) >= 4, name
    for path, chain in recordings.items():
        expected = [tell(chain[0])] + [tell(later) for earlier, later in pairwise(chain) if tell(later) != tell(earlier)]
        told = [
            (*e.snapshot.alarm[:4], e.snapshot.current.severity, e.snapshot.current.message) for e in events.get(path, []) if e.snapshot
        ]
        if path in removed:  # the first state of what was added again may be the last one of what was removed
            told = [told[0]] + [later for earlier, later in pairwise(told) if later != earlier]
        assert told == expected, path
        assert all(one.to_severity is later.from_severity for one, later in pairwise(events.get(path, []))), path


def test_whatever_was_announced_is_marked_so(session):
    """The rule of the server, read backwards: what rises and is set to be spoken was spoken. Its talk topic is not read."""
    name, recorded = session
    events = derive(Derivation(recorded.config, UTC), recorded.records)
    alarms = set(states(recorded))
    spoken = Counter((event.path, event.to_severity.name) for event in events if event.annunciated)
    talks: Counter[tuple[str, str]] = Counter()
    for record in recorded.keyed("talk"):
        path = record.key.partition(":")[2]
        if path in alarms and record.value:
            talks[path, decode_severity(record.value)] += 1
    assert spoken - talks <= FORGED, name
    assert sum((talks - spoken).values()) == SPOKEN_AGAIN.get(name, 0), talks - spoken


def decode_severity(value: bytes) -> str:
    return value.decode().partition('"severity":"')[2].partition('"')[0]


def test_who_acknowledged_is_told_where_a_command_was_read(session):
    _, recorded = session
    events = derive(Derivation(recorded.config, UTC), recorded.records)
    commands = [(canonical(r.key.partition(":")[2]), r.time, decode_text(r.value or b"")) for r in recorded.keyed("command")]
    for event in events:
        if event.kind is not EventKind.ACKNOWLEDGED:
            continue
        near = any(
            text.startswith("ack") and is_below(event.path, path) and 0 <= event.time - time < 2 * SECOND for path, time, text in commands
        )
        assert (event.user == "user") == near, event
        assert near or event.reason == "maintenance mode", event
    understood = [text for path, _, text in commands if is_below(path, "/" + recorded.config) and kind_of(text) is not None]
    assert sum(event.kind is EventKind.COMMAND for event in events) == len(understood)


def decode_text(value: bytes) -> str:
    return value.decode().partition('"command":"')[2].partition('"')[0]


def test_the_same_records_give_the_same_events_in_the_order_of_their_ids(session):
    _, recorded = session
    events = derive(Derivation(recorded.config, UTC), recorded.records)
    assert derive(Derivation(recorded.config, UTC), recorded.records) == events
    assert len({event.id for event in events}) == len(events)
    assert all(event.origin is Origin.DERIVED and decode_event(encode_event(event)) == event for event in events)
    in_topic = [event.id for event in events if event.kind is not EventKind.COMMAND]
    assert in_topic == sorted(in_topic)
    assert all(event.id.n < 1 << 53 for event in events)  # a page reads it as a number


class History:
    """What was stored so far, asked as the history store is."""

    def __init__(self, events: list[Event]) -> None:
        self.events = {event.id: event for event in events}

    def before(self, path: str, record: StoredRecord) -> Event | None:
        found = [e for e in self.events.values() if e.path == path and e.snapshot and e.time <= record.time]
        return max((e for e in found if e.time < record.time), key=lambda e: e.id, default=None)

    def add(self, events: list[Event]) -> None:
        for event in events:
            self.events.setdefault(event.id, event)


def read_on(recorded: Recorded, history: History, start: int, records: list[StoredRecord]) -> None:
    """As a writer does that starts again."""
    derivation = Derivation(recorded.config, UTC, start)
    for record in records:
        path = derivation.unknown(record)
        if path is not None:
            derivation.recall(path, history.before(path, record))
        history.add(derive(derivation, [record]))


ALL = {name: Recorded.load(name) for name in SESSIONS}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SESSIONS), st.lists(st.floats(0, 1), min_size=1, max_size=4), st.floats(0, 1))
def test_a_writer_that_starts_again_anywhere_tells_the_same(name, cuts, uncommitted):
    """It stored up to somewhere, and had committed less than that."""
    recorded = ALL[name]
    records = recorded.records
    whole = derive(Derivation(recorded.config, UTC), records)
    history = History([])
    start = 0
    for cut in [*sorted(cuts), 1.0]:
        end = round(cut * len(records))
        read_on(recorded, history, start, records[:end])
        offsets = [record.offset for record in records[:end] if record.topic == recorded.config]
        start = round((offsets[-1] + 1) * uncommitted) if offsets else 0
    assert list(history.events) == [event.id for event in whole] or set(history.events) == {event.id for event in whole}
    states_of_whole = {event.id: (event.kind, event.to_severity, event.snapshot and event.snapshot.alarm) for event in whole}
    states_now = {i: (e.kind, e.to_severity, e.snapshot and e.snapshot.alarm) for i, e in history.events.items()}
    assert states_now == states_of_whole


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SESSIONS), st.floats(0.1, 1), st.integers(0, 1 << 32))
@example("enablement", 1.0, 220)  # a state that waited for its settings, and a gap before they came
def test_what_compaction_dropped_is_not_invented(name, end, seed):
    """Some records that a later one of the same key replaces are gone before anybody reads them."""
    recorded = ALL[name]
    records = recorded.records[: round(end * len(recorded.records))]
    whole = {event.id: event for event in derive(Derivation(recorded.config, UTC), records)}
    last = {record.key: record.offset for record in records if record.topic == recorded.config}
    chance = Random(seed)
    left = [record for record in records if record.topic != recorded.config or last[record.key] == record.offset or chance.random() < 0.5]
    events = derive(Derivation(recorded.config, UTC), left)
    dropped = len(records) - len(left)
    rises, recorded_rises = Counter(), Counter()
    for event in events:
        if event.snapshot is None:
            continue
        twin = whole.get(event.id)
        if twin is not None:
            assert event.snapshot.alarm == twin.snapshot.alarm
            assert event.to_severity is twin.to_severity
            if twin.from_severity is not event.from_severity:
                assert event.reason in (GAP, FOUND), (event, twin)
            if event.kind is not twin.kind and event.reason not in (GAP, FOUND):  # who disabled it is gone
                rose = twin.kind in (EventKind.ENABLED, EventKind.UNSHELVED) and twin.to_severity.is_active
                assert event.kind is (EventKind.ALARM if rose else EventKind.CHANGED), (event, twin)
        else:
            assert dropped  # a record that repeated one which is gone now
            assert event.reason in (GAP, FOUND), event
        rises[event.path] += event.kind is EventKind.ALARM
    for event in whole.values():
        recorded_rises[event.path] += event.kind in (EventKind.ALARM, EventKind.UNACKNOWLEDGED, EventKind.ENABLED, EventKind.UNSHELVED)
    for path, number in rises.items():
        assert number <= recorded_rises[path], path


def state(offset, seconds, path="/Demo/Vac/PV1", severity="MAJOR", message="HIHI_ALARM") -> StoredRecord:
    current = severity.removesuffix("_ACK")
    text = (
        f'{{"severity":"{severity}","message":"{message}","value":"1","time":{{"seconds":5,"nano":0}},'
        f'"current_severity":"{current}","current_message":"{message}"}}'
    )
    return StoredRecord("Demo", offset, at(seconds), f"state:{path}", text.encode(), ())


def config(offset, seconds, path="/Demo/Vac/PV1", text='{"user":"mara","host":"ops7","description":"PV 1"}') -> StoredRecord:
    return StoredRecord("Demo", offset, at(seconds), f"config:{path}", text.encode() if text is not None else None, ())


def test_a_first_record_says_how_things_stand_and_no_more():
    derivation = Derivation("Demo", UTC, 40)
    assert derivation.feed(config(3, 0)) == []
    (event,) = derivation.feed(state(41, 5))
    assert (event.kind, event.from_severity, event.to_severity, event.annunciated) == (
        EventKind.CHANGED, Severity.MAJOR, Severity.MAJOR, False,
    )  # fmt: skip
    assert event.reason == FOUND
    assert event.snapshot.rise is None


def test_a_state_whose_settings_were_edited_later_is_told_when_they_come():
    derivation = Derivation("Demo", UTC)
    assert derivation.feed(state(7, 5)) == []
    configured, found = derivation.feed(config(9, 6))
    assert (configured.kind, configured.user, configured.reason) == (EventKind.CONFIGURED, "mara", FOUND)
    assert (found.reason, found.description, found.id) == (FOUND, "PV 1", Derivation.id_of("Demo", state(7, 5)))


def test_a_topic_that_is_made_anew_counts_from_nothing_and_doubles_nothing():
    derivation = Derivation("Demo", UTC)
    old = derive(derivation, [config(0, 0), state(1, 1), state(2, 2, severity="OK", message="OK")])
    derivation.begin_again()
    again = derive(derivation, [config(0, 60), state(1, 61, severity="OK", message="OK"), state(2, 62)])
    assert [(e.kind, e.reason) for e in again] == [(EventKind.ALARM, "")]
    assert not {event.id for event in old} & {event.id for event in again}
    derivation.begin_again()
    (unsaid,) = derive(derivation, [config(0, 120), state(1, 121, severity="MINOR")])
    assert (unsaid.kind, unsaid.reason) == (EventKind.CHANGED, GAP)


def test_a_clock_that_is_set_back_changes_the_order_of_no_alarm():
    events = derive(Derivation("Demo", UTC), [config(0, 0), state(1, 100), state(2, 10, severity="OK", message="OK")])
    assert [event.kind for event in events] == [EventKind.CONFIGURED, EventKind.ALARM, EventKind.CLEARED]
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert events[2].time == events[1].time


def test_shelving_tells_by_whom_and_until_when_and_that_it_ended():
    shelved = '{"user":"mara","host":"ops7","description":"PV 1","enabled":"2030-01-01T00:00:00"}'
    ended = '{"user":"phoebus","host":"server","description":"PV 1"}'
    until = 1_893_456_000 - (at(0) // SECOND)
    records = [
        config(0, 0), state(1, 1), config(2, 5, text=shelved), state(3, 6, severity="OK", message="Disabled"),
        config(4, until, text=ended), state(5, until + 1),
    ]  # fmt: skip
    events = derive(Derivation("Demo", UTC), records)
    shelf, back = (next(e for e in events if e.kind is kind) for kind in (EventKind.SHELVED, EventKind.UNSHELVED))
    assert (shelf.user, shelf.snapshot.suppression.until) == ("mara", at(until))
    assert (back.user, back.reason, back.annunciated) == ("", "shelving ended", True)
    assert back.snapshot.suppression is None


def test_a_deletion_is_told_with_who_announced_it():
    note = '{"user":"sam","host":"ops7","delete":"Deleting"}'
    records = [config(0, 0), state(1, 1), config(2, 5, text=note), config(3, 5, text=None), state(4, 6)]
    *_, removed = derive(Derivation("Demo", UTC), records)
    assert (removed.kind, removed.user, removed.from_severity, removed.to_severity) == (
        EventKind.REMOVED, "sam", Severity.MAJOR, Severity.OK,
    )  # fmt: skip


def test_a_record_of_another_tree_is_refused():
    with pytest.raises(WireError, match="outside of /Demo"):
        Derivation("Demo", UTC).feed(config(0, 0, path="/Other/PV"))


@pytest.mark.parametrize(
    ("before", "after", "command", "kind", "spoken"),
    [
        ("MAJOR_ACK", "MINOR", "", EventKind.UNACKNOWLEDGED, False),  # lower in priority, though higher as an ordinal: no rise
        ("MAJOR_ACK", "MAJOR", "", EventKind.UNACKNOWLEDGED, False),
        ("MAJOR_ACK", "INVALID", "", EventKind.ALARM, True),
        ("MINOR_ACK", "MAJOR", "", EventKind.ALARM, True),
        ("MAJOR", "MINOR", "", EventKind.CHANGED, False),
        ("MAJOR", "MAJOR_ACK", "acknowledge", EventKind.ACKNOWLEDGED, False),
        ("MAJOR", "MINOR_ACK", "acknowledge", EventKind.ACKNOWLEDGED, False),
        ("MINOR", "MAJOR_ACK", "", EventKind.CHANGED, False),
        ("OK", "MAJOR_ACK", "", EventKind.CHANGED, False),
        ("MAJOR_ACK", "OK", "", EventKind.CLEARED, False),
        ("MAJOR", "OK", "", EventKind.CLEARED, False),
    ],
)
def test_what_two_states_say(before, after, command, kind, spoken):
    given = StoredRecord("DemoCommand", 0, at(8), "command:/Demo", f'{{"user":"u","host":"h","command":"{command}"}}'.encode(), ())
    records = [config(0, 0), state(1, 1, severity=before), *([given] if command else []), state(2, 9, severity=after)]
    event = derive(Derivation("Demo", UTC), records)[-1]
    assert (event.kind, event.annunciated, event.from_severity.name, event.to_severity.name) == (kind, spoken, before, after)
