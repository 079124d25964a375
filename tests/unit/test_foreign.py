"""A foreign writer of states: recognised, told of within the same round, answered as the settings say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.foreign import ForeignWatch, foreign_path
from alarm_engine.journal.port import Headers, StoredRecord
from alarm_engine.logic.foreign import QUIET_S, Foreign, ForeignWriter
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.wire.headers import ENGINE, STATE, headers
from tests.unit.evaluating import START, TOPICS, Control

LEAF, NODE = "state:/Demo/V/GC1", "state:/Demo/V"
OURS: Headers = ((STATE, b'[null,null,1,true,"",1]'),)
MINOR = b'{"severity":"MINOR"}'


def record(key: str = NODE, value: bytes | None = MINOR, own: Headers = (), topic: str = TOPICS.config) -> StoredRecord:
    return StoredRecord(topic, 1, Nanos(1), key, value, own)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (record(LEAF), "/Demo/V/GC1"),
        (record(), "/Demo/V"),
        (record("state:Demo//V"), "/Demo/V"),
        (record(own=headers(engine="101")), "/Demo/V"),
        (record(own=((ENGINE, b"?"),)), "/Demo/V"),
        (record(LEAF, own=OURS), None),
        (record(own=headers(engine="100")), None),
        (record(own=headers(engine="7")), None),
        (record(LEAF, None), None),
        (record("config:/Demo/V/GC1"), None),
        (record("config:/Demo/V/GC1", None), None),
        (record("command:/Demo/V"), None),
        (record("nonsense"), None),
        (record(topic=TOPICS.command), None),
    ],
)
def test_what_is_foreign(written, path):
    assert foreign_path(written, TOPICS, 100) == path


def test_every_state_that_we_publish_is_known_as_ours():
    control = Control({"/Demo/V/GC1": AlarmSettings("One")})
    control.sample("GC1", Severity.MAJOR)
    control.evaluator.publish_again("/Demo/V/GC1")
    control.evaluator.publish_again("/Demo")
    control.take()
    control.remove("/Demo/V/GC1")
    states = [one for one in control.records if one.key.startswith("state:")]
    assert len(states) > 5
    assert all(foreign_path(one, TOPICS, control.evaluator.emitter._epoch) is None for one in states)


def play(policy: ForeignWriter, writes: list[float], until: float) -> list[tuple[float, str]]:
    """What is done, at which second, while somebody writes at these seconds; asked every half second as a runner does."""
    foreign, done, writes = Foreign(policy), [], list(writes)
    for half in range(round(until * 2) + 1):
        now = START.plus_s(half / 2)
        while writes and writes[0] <= half / 2:
            writes.pop(0)
            foreign.seen("/Demo/V", now)
        decision = foreign.decide(now.monotonic)
        done += [(half / 2, name) for name in ("begun", "again", "ended") if getattr(decision, name)]
    return done


def test_one_record_is_told_and_written_over_at_once_and_its_end_is_told():
    assert play(ForeignWriter.REASSERT, [1], 40) == [(1, "begun"), (1, "again"), (1 + QUIET_S, "ended")]


def test_two_who_write_over_each_other_do_so_ever_more_seldom():
    done = play(ForeignWriter.REASSERT, [n / 2 for n in range(1200)], 600)
    times = [time for time, what in done if what == "again"]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [what for _, what in done].count("begun") == 1
    assert pauses[:6] == [1, 2, 4, 8, 16, 32]
    assert set(pauses[6:]) == {60}


def test_nothing_is_written_over_by_one_that_yields():
    assert play(ForeignWriter.YIELD, [1, 9], 50) == [(1, "begun"), (9 + QUIET_S, "ended")]


def room() -> Control:
    control = Control({"/Demo/V/GC1": AlarmSettings("One")})
    control.sample("GC1", Severity.MAJOR)
    return control


def test_our_state_is_written_over_the_foreign_one_with_an_event_and_a_text():
    control, watch = room(), ForeignWatch(ForeignWriter.REASSERT, TOPICS)
    assert not watch.look([record(LEAF, own=OURS)], 100, control.now)
    assert watch.text == ""
    assert watch.look([record(LEAF), record(), record("state:/Demo/Unknown")], 100, control.now)
    watch.act(control.evaluator, control.now)
    changes = control.take()
    (event,) = changes.events
    assert (event.kind, event.path, event.reason) == (EventKind.FOREIGN, "/Demo", "foreign writer")
    assert "the first was /Demo/V/GC1" in event.comment
    assert "our states are written over" in event.comment
    assert watch.text == event.comment
    assert [step.path for step in changes.steps if not hasattr(step, "kind")] == ["/Demo/V/GC1"]
    assert [(node.path, node.severity) for node in changes.nodes] == [("/Demo/V", Severity.MAJOR)]
    control.now = control.now.plus_s(QUIET_S)
    watch.act(control.evaluator, control.now)
    (event,) = control.take().events
    assert event.reason == "foreign writer is quiet"
    assert watch.text == ""


def test_one_that_yields_says_so_first_and_reads_what_was_written_afterwards():
    control, watch = room(), ForeignWatch(ForeignWriter.YIELD, TOPICS)
    watch.look([record()], 100, control.now)
    assert not watch.holds(control.now)
    watch.act(control.evaluator, control.now)
    (event,) = control.take().events
    assert "we write nothing" in event.comment
    assert watch.holds(control.now.plus_s(QUIET_S - 1))
    with pytest.raises(JournalUnavailable, match="quiet now"):
        watch.holds(control.now.plus_s(QUIET_S))
