"""What a subscriber is told of what comes over the line."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.client import AlarmList, Beat, Change, Fresh, Severity, Snapshot, Stale, State, UnexpectedAnswer
from tocsin.client.following import FIRST_PAUSE_S, LONGEST_PAUSE_S, Following
from tocsin.client.sse import Message, Messages

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
STATE: dict[str, Any] = {
    "severity": "MAJOR", "message": "HIHI", "value": "7", "time": "2026-11-30T11:59:59.000Z", "current": None, "connected": True,
    "since": "2026-11-30T11:59:59.000Z", "rise": "A.1.1", "acknowledgement": None, "suppression": None, "annunciating": True,
}  # fmt: skip


def event(number: int, **fields: Any) -> Message:
    data = {
        "id": f"A.1.{number}", "time": "2026-11-30T12:00:00.000Z", "kind": "alarm", "path": "/A/S/P", "pv": "P", "system": "S",
        "from": "OK", "to": "MAJOR", "reason": "raised", "pv_time": None, "description": "Pump", "annunciated": True, "user": "",
        "host": "", "comment": "", "correlation": "", "result": None, "state": STATE, "origin": "engine", **fields,
    }  # fmt: skip
    return Message("event", data["id"], json.dumps(data).encode())


def status(known: int | None, as_of: int | None, age_s: float | None = 0.1, stale: bool = False) -> Message:
    data = {
        "as_of": f"A.1.{as_of}" if as_of else None, "age_s": age_s, "stale": stale, "unknown": 3, "maintenance": True, "notify": False,
        "engine": {"engine": "e", "epoch": 1, "pvs_total": 5, "pvs_connected": 4, "backlog": 0, "dropped": 0, "lag_ms": 1.5}, "foreign": "",
    }  # fmt: skip
    return Message("status", f"A.1.{known}" if known else None, json.dumps(data).encode())


def reset(reason: str = "the journal was replaced") -> Message:
    return Message("reset", "A.1.1", json.dumps({"reason": reason}).encode())


def found(as_of: int | None, *, stale: bool = False, age_s: float | None = 0.1) -> AlarmList:
    return AlarmList(as_of=f"A.1.{as_of}" if as_of else None, age_s=age_s, stale=stale, total=0, alarms=())


def begun(as_of: int = 7, **options: Any) -> Following:
    following = Following(**options)
    assert following.wants_snapshot
    assert [type(one) for one in following.loaded(found(as_of), NOW)] == [Snapshot]
    assert following.after == f"A.1.{as_of}"
    assert not following.wants_snapshot
    return following


def test_what_is_in_the_snapshot_is_not_told_again_and_nothing_twice():
    following = begun(7)
    messages = [event(6), event(7), event(8), event(8), event(9), event(8)]
    told = [update for message in messages for update in following.take(message, NOW)]
    assert [update.event.id for update in told if isinstance(update, Change)] == ["A.1.8", "A.1.9"]
    assert following.after == "A.1.9"


def test_a_change_has_the_alarm_as_it_is_then():
    following = begun()
    (change,) = following.take(event(8), NOW)
    assert isinstance(change, Change)
    assert (change.event.from_severity, change.event.to_severity) == (Severity.OK, Severity.MAJOR)
    alarm = change.alarm
    assert alarm is not None
    assert (alarm.path, alarm.description, alarm.state, alarm.known, alarm.version) == ("/A/S/P", "Pump", State.ACTIVE, True, "A.1.8")
    assert alarm.since == datetime(2026, 11, 30, 11, 59, 59, tzinfo=UTC)
    (change,) = following.take(event(9, kind="removed"), NOW)
    assert isinstance(change, Change)
    assert change.alarm is None
    (change,) = following.take(event(10, kind="mode", state=None), NOW)
    assert isinstance(change, Change)
    assert change.alarm is None


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, State.ACTIVE),
        ({"severity": "MAJOR_ACK"}, State.ACKNOWLEDGED),
        ({"severity": "OK"}, State.OK),
        ({"severity": "OK", "connected": False}, State.UNKNOWN),
        ({"suppression": {"user": "u", "host": "h", "reason": "r", "since": "2026-11-30T11:00:00Z", "until": None}}, State.DISABLED),
        (
            {"suppression": {"user": "u", "host": "h", "reason": "r", "since": "2026-11-30T11:00:00Z", "until": "2026-11-30T13:00:00Z"}},
            State.SHELVED,
        ),
        ({"severity": "CATASTROPHE"}, State.ACTIVE),
    ],
)
def test_what_an_alarm_counts_as(fields, state):
    (change,) = begun().take(event(8, state=STATE | fields), NOW)
    assert isinstance(change, Change)
    assert change.alarm is not None
    assert change.alarm.state is state


def test_a_word_and_a_field_of_a_later_server_are_no_fault():
    (change,) = begun().take(event(8, kind="escalated", colour="blue"), NOW)
    assert isinstance(change, Change)
    assert change.event.kind == "escalated"
    assert not change.event.kind.is_known


def test_one_break_of_the_line_is_not_told_two_are():
    following = begun()
    assert not list(following.take(status(7, 7), NOW))
    assert not list(following.lost("broken", NOW + timedelta(seconds=3)))
    (stale,) = following.lost("nobody there", NOW + timedelta(seconds=4))
    assert stale == Stale(since=NOW, why="nobody there")
    assert not list(following.lost("nobody there", NOW + timedelta(seconds=5)))
    assert not list(following.take(event(8), NOW)) or following.after == "A.1.8"
    (fresh,) = following.take(status(8, 8), NOW + timedelta(seconds=6))
    assert fresh == Fresh(as_of="A.1.8")


def test_it_is_not_fresh_before_all_that_was_missed_has_been_told():
    following = begun()
    for _ in range(2):
        list(following.lost("away", NOW))
    assert not list(following.take(status(7, 9), NOW))
    list(following.take(event(8), NOW))
    assert not list(following.take(status(8, 9), NOW))
    list(following.take(event(9), NOW))
    assert [type(one) for one in following.take(status(9, 9), NOW)] == [Fresh]


def test_what_a_filter_left_out_counts_as_told():
    following = begun()
    list(following.take(status(11, 11), NOW))
    assert following.after == "A.1.11"
    list(following.take(status(9, 11), NOW))
    assert following.after == "A.1.11"


def test_a_silent_engine_and_a_server_that_is_behind_are_told_apart():
    following = begun()
    (stale,) = following.take(status(7, 7, age_s=12.0, stale=True), NOW + timedelta(seconds=20))
    assert isinstance(stale, Stale)
    assert stale.since == NOW
    assert "12 s" in stale.why
    assert not list(following.take(status(7, 7, age_s=13.0, stale=True), NOW))
    (stale,) = following.take(status(7, 7, age_s=0.3, stale=True), NOW)
    assert isinstance(stale, Stale)
    assert "not read all" in stale.why
    (stale,) = following.take(status(7, 7, age_s=None, stale=True), NOW)
    assert isinstance(stale, Stale)
    assert "never" in stale.why
    assert [type(one) for one in following.take(status(7, 7), NOW)] == [Fresh]


def test_a_snapshot_that_is_old_says_so_twice():
    following = Following()
    snapshot, stale = following.loaded(found(7, stale=True, age_s=60.0), NOW)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.stale
    assert stale == Stale(since=NOW - timedelta(seconds=60), why="the alarm engine has given no life sign for 60 s")


def test_a_reset_brings_a_new_snapshot_that_says_why_also_of_an_older_past():
    following = begun(70)
    assert not list(following.take(reset(), NOW))
    assert following.wants_snapshot
    assert following.wants_another_stream
    (snapshot,) = following.loaded(found(3), NOW)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.gap == "the journal was replaced"
    (change,) = following.take(event(4), NOW)
    assert isinstance(change, Change)
    (snapshot, *_) = begun().loaded(found(9), NOW)
    assert isinstance(snapshot, Snapshot)
    assert not snapshot.gap


def test_fresh_follows_a_good_snapshot_after_an_old_time():
    following = begun()
    for _ in range(2):
        list(following.lost("away", NOW))
    list(following.take(reset(), NOW))
    assert [type(one) for one in following.loaded(found(9), NOW)] == [Snapshot, Fresh]


def test_where_nothing_has_happened_yet_the_stream_is_open_before_all_is_loaded():
    following = Following()
    assert not list(following.loaded(found(None), NOW))
    assert not following.wants_snapshot
    assert following.after is None
    assert not list(following.take(status(None, None), NOW))
    assert following.wants_snapshot
    assert not following.wants_another_stream
    assert [type(one) for one in following.loaded(found(None), NOW)] == [Snapshot]
    (change,) = following.take(event(1), NOW)
    assert isinstance(change, Change)


def test_the_line_may_break_before_that_is_so():
    following = Following()
    list(following.loaded(found(None), NOW))
    list(following.lost("broken", NOW))
    assert following.after is None
    list(following.take(status(None, None), NOW))
    assert [type(one) for one in following.loaded(found(2), NOW)] == [Snapshot]


def test_going_on_from_an_event_needs_no_snapshot():
    following = Following("A.1.5")
    assert not following.wants_snapshot
    assert [type(one) for one in following.take(event(6), NOW)] == [Change]
    with pytest.raises(ValueError, match="not an event id"):
        Following("nonsense")


def test_beats_come_only_if_asked_for():
    assert not list(begun().take(status(7, 7), NOW))
    following = begun(beats=True)
    (beat,) = following.take(status(7, 7), NOW)
    assert isinstance(beat, Beat)
    assert (beat.as_of, beat.stale, beat.unknown, beat.maintenance, beat.notify) == ("A.1.7", False, 3, True, False)
    assert beat.engine is not None
    assert (beat.engine.pvs_connected, beat.engine.lag_ms) == (4, 1.5)
    list(following.lost("away", NOW))
    told = list(following.lost("away", NOW))
    assert [type(one) for one in told] == [Stale, Beat]
    assert [type(one) for one in following.lost("away", NOW)] == [Beat]
    (beat,) = following.take(status(7, 8), NOW)
    assert isinstance(beat, Beat)
    assert beat.stale  # the present, but not yet all of it


def test_tries_come_slower_and_quick_again():
    following = begun()
    pauses = []
    for _ in range(8):
        list(following.lost("away", NOW))
        pauses.append(following.pause_s)
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    list(following.take(status(7, 7), NOW))
    list(following.lost("away", NOW))
    assert following.pause_s == FIRST_PAUSE_S


def test_what_cannot_be_read_is_told():
    for broken in (b"{", b"[1]", b"\xff", json.dumps({"id": "A.1.8"}).encode()):
        with pytest.raises(UnexpectedAnswer):
            list(begun().take(Message("event", "A.1.8", broken), NOW))


def test_messages_that_are_not_known_are_left_out():
    assert not list(begun().take(Message("advertisement", None, b"{}"), NOW))


HARD = "a\u2028b\x85c: d"
"""With characters that some take for the end of a line."""
TEXT = "".join(
    f"event: event\nid: A.1.{number}\ndata: {json.dumps({'text': HARD}, ensure_ascii=False)}\n\n" for number in range(3)
).encode()


@given(st.lists(st.integers(0, len(TEXT))))
def test_messages_come_whole_however_they_are_cut(cuts):
    stream = b"retry: 1000\n\n: a comment\n\n" + TEXT
    places = sorted({0, *cuts, len(stream)})
    messages = Messages()
    told = [message for start, end in itertools.pairwise(places) for message in messages.take(stream[start:end])]
    assert [message.id for message in told] == ["A.1.0", "A.1.1", "A.1.2"]
    assert [json.loads(message.data)["text"] for message in told] == [HARD] * 3
