"""What could not be spoken in time is summed up, once, whoever comes to speak of it."""

from __future__ import annotations

import time
from datetime import UTC
from types import SimpleNamespace

import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.evaluator.changes import Changes
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.logic.talk import Talk, mass_disconnect, missed, nag, started, unspoken
from alarm_engine.model.reading import Reading
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic, Nanos
from alarm_engine.publisher import Publisher
from alarm_engine.wire.runtime import RootRuntime, Switches, Unsaid, decode_root, encode_root
from alarm_engine.wire.state import NORMAL
from alarm_engine.wire.topics import Topics
from tests.unit.evaluating import START, Control

PATHS = [f"/Demo/Vacuum/GC{number}" for number in range(3)]


def control():
    return Control({path: AlarmSettings(path[-3:]) for path in PATHS})


def feed(control, severities, age_s):
    arrival = Monotonic(control.now.monotonic - round(age_s * NANOS_PER_SECOND))
    inputs = [
        Reading(path.rpartition("/")[2], severity, f"{severity.name}_ALARM", "", control.now.wall, arrival)
        for path, severity in zip(PATHS, severities, strict=False)
        if severity is not None
    ]
    control.evaluator.feed(inputs, control.now)
    return [talk.text for talk in control.take().talks]


def test_alarms_of_minutes_ago_become_one_sentence_when_all_of_them_are_decided():
    it = control()
    assert feed(it, [Severity.MINOR], 60) == []
    assert feed(it, [Severity.MAJOR, Severity.MINOR], 59) == []
    it.now = it.now.plus_s(0.5)
    assert [talk.text for talk in it.take().talks] == [" 3 alarms while nobody could be told, the worst MAJOR"]


def test_one_alarm_of_minutes_ago_is_said_as_it_is():
    it = control()
    assert feed(it, [Severity.MAJOR], 60) == []
    it.now = it.now.plus_s(0.5)
    assert [talk.text for talk in it.take().talks] == ["MAJOR Alarm: GC0"]


def test_what_is_a_few_seconds_late_is_said_alone():
    assert feed(control(), [Severity.MAJOR, Severity.MINOR], 9) == ["MAJOR Alarm: GC0", "MINOR Alarm: GC1"]


def test_an_engine_that_is_always_late_speaks_all_the_same():
    it = control()
    said = []
    for severity in (Severity.MINOR, Severity.MAJOR, Severity.INVALID):
        for number in range(3):
            said += feed(it, [None] * number + [severity], 60)
            it.now = it.now.plus_s(1)
    assert said == [" 7 alarms while nobody could be told, the worst INVALID"]


async def test_what_waited_for_the_journal_is_summed_up(monkeypatch):
    away_s = [0]
    monkeypatch.setattr("alarm_engine.publisher.time", SimpleNamespace(monotonic=lambda: time.monotonic() + away_s[0]))

    class Away(MemoryJournal):
        tries = 0

        async def append(self, records, positions=()):
            self.tries += 1
            if self.tries == 1:
                away_s[0] = 11
                raise JournalUnavailable("away")
            await super().append(records, positions)
            self.written = [record.value for record in records]

    journal = Away()
    await journal.start()
    await journal.ensure_topics(Topics("Plant").specs())
    changes = Changes(NORMAL)
    changes.talks = [Talk(path, Severity.MAJOR, "MAJOR Alarm: x") for path in PATHS]
    await Publisher(journal, Topics("Plant"), UTC, 1).publish(changes)
    assert len(journal.written) == 1
    assert b"3 alarms while nobody could be told" in journal.written[0]


def test_the_worst_is_named():
    assert missed("/Plant", [Talk("/a", Severity.MINOR, "a"), Talk("/b", Severity.INVALID, "b")]).severity is Severity.INVALID


def test_alarms_are_counted_and_not_sentences():
    root = "/Plant"
    assert missed(root, [started(root), unspoken(root, 3500, Severity.UNDEFINED)]).text == unspoken(root, 3500, Severity.UNDEFINED).text
    told = missed(root, [nag(root, Severity.MAJOR, 3), mass_disconnect(root, 20), Talk("/a", Severity.MINOR, "a")])
    assert told.text == " 21 alarms while nobody could be told, the worst UNDEFINED"
    assert missed(root, [started(root), nag(root, Severity.MAJOR, 3)]).text == " There are 3 active alarms"


# ------------------------------------------------------------------ what an engine that ended had yet to say


def successor(unsaid):
    """Of an engine that had that to say."""
    it = control()
    it.evaluator.go_on_from(RootRuntime(Switches(), unsaid))
    it.evaluator.begin(it.now)
    return it


def rounds(it, number=3):
    """What it says in each, and what it notes for its own successor."""
    said, roots = [], []
    for _ in range(number):
        changes = it.take()
        said.append([talk.text for talk in changes.talks if "started" not in talk.text])
        roots.append(changes.root)
        it.now = it.now.plus_s(0.5)
    return said, roots


def ago(seconds):
    return Nanos(START.wall - round(seconds * NANOS_PER_SECOND))


def test_what_was_held_back_a_moment_ago_is_said_at_once_and_then_forgotten():
    said, roots = rounds(successor(Unsaid(30, Severity.UNDEFINED, ago(9))))
    assert said == [[" 30 alarms while nobody could be told, the worst UNDEFINED"], [], []]
    assert roots == [RootRuntime(), None, None]


def test_what_was_held_back_long_ago_says_so():
    said, roots = rounds(successor(Unsaid(30, Severity.UNDEFINED, ago(2 * 3600 + 1800))))
    assert said == [[], [" 30 alarms while nobody could be told, the worst UNDEFINED, the first 2 hours ago"], []]
    assert roots == [None, RootRuntime(), None]  # should the successor end before it has said it, the next one does


def test_what_was_held_back_long_ago_and_what_comes_late_is_one_sentence():
    it = successor(Unsaid(30, Severity.UNDEFINED, ago(11)))
    assert feed(it, [Severity.MAJOR, Severity.MINOR], 600) == [started("/Demo").text]
    assert it.evaluator.emitter.unsaid == Unsaid(32, Severity.UNDEFINED, ago(600))
    it.now = it.now.plus_s(0.5)
    assert [talk.text for talk in it.take().talks] == [
        " 32 alarms while nobody could be told, the worst UNDEFINED, the first 10 minutes ago"
    ]


def test_an_older_engine_that_did_not_note_when_it_was_is_not_said_as_news():
    said, _ = rounds(successor(Unsaid(1, Severity.MAJOR)))
    assert said == [[], [" 1 alarm while nobody could be told: MAJOR"], []]


@pytest.mark.parametrize(
    ("age_s", "words"),
    [(119, ""), (120, ", the first 2 minutes ago"), (7199, ", the first 119 minutes ago"), (3 * 86400, ", the first 3 days ago")],
)
def test_how_old_it_is(age_s, words):
    assert unspoken("/Plant", 2, Severity.MINOR, age_s).text == f" 2 alarms while nobody could be told, the worst MINOR{words}"


@pytest.mark.parametrize("unsaid", [Unsaid(), Unsaid(3, Severity.MAJOR), Unsaid(3, Severity.MAJOR, ago(5))])
def test_the_moment_is_in_the_record(unsaid):
    root = RootRuntime(Switches(maintenance=True), unsaid)
    assert decode_root(encode_root(root)) == root


def test_a_record_of_before_there_was_a_moment_in_it():
    value = b'{"v":1,"maintenance":false,"notify":true,"unsaid":{"number":3,"worst":"MAJOR"}}'
    assert decode_root(value) == RootRuntime(Switches(), Unsaid(3, Severity.MAJOR))


def test_one_that_comes_late_says_how_old_it_is():
    talk = Talk("/Plant/a", Severity.MAJOR, "MAJOR Alarm: pump")
    assert missed("/Plant", [talk], 119) == talk
    assert missed("/Plant", [talk], 3 * 3600).text == "MAJOR Alarm: pump, 3 hours ago"
