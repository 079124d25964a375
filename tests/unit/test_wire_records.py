"""Records are equal to the byte to what the real Phoebus server wrote."""

import json
from dataclasses import FrozenInstanceError
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import CommandResult, Event, EventKind, Origin
from alarm_engine.model.settings import AlarmSettings, NodeSettings
from alarm_engine.model.severity import BY_NAME, Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import LATEST, Nanos
from alarm_engine.wire.command import decode_command, encode_command
from alarm_engine.wire.config import decode_config, encode_config, encode_delete_note, local_text, parse_local
from alarm_engine.wire.event import decode_event, encode_event
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.state import LeafState, decode_state, encode_leaf_state, encode_node_state
from alarm_engine.wire.talk import encode_talk

RECORDS = json.loads((Path(__file__).parents[1] / "data/phoebus_sessions/records.json").read_text())
# The recorder's own clients sent odd texts on purpose; only what the real writer wrote must come out the same.
WRITTEN = [r for r in RECORDS["seen"] if r["written_by"] == "Phoebus" and r["raw"]] + [r for r in RECORDS["writer"] if r["raw"]]


def rewrite(key: str, raw: bytes) -> bytes:
    kind, _ = parse_key(key)
    if kind is RecordType.CONFIG:
        record = decode_config(raw, UTC)
        if record.settings is None:
            return encode_delete_note(record.user, record.host)
        return encode_config(record.settings, record.user, record.host, UTC)
    if kind is RecordType.STATE:
        state = decode_state(raw)
        if isinstance(state, LeafState):
            current = Sample(state.current_severity, state.current_message, "", Nanos(0))
            return encode_leaf_state(state.alarm, current, state.modes)
        return encode_node_state(state.severity, state.modes)
    if kind is RecordType.COMMAND:
        command = decode_command(StoredRecord("DemoCommand", 1, Nanos(0), key, raw, ()), key.partition(":")[2])
        assert command is not None
        return encode_command(command, "DemoCommand").value or b""
    talk = json.loads(raw)

    return encode_talk(BY_NAME[talk["severity"]], talk["talk"], talk["standout"])


@pytest.mark.parametrize("record", WRITTEN, ids=lambda r: r.get("shape") or r["what"])
def test_is_written_as_phoebus_writes_it(record):
    raw = record["raw"].encode()
    assert rewrite(record["key"], raw) == raw


def test_reads_all_that_the_real_clients_sent():
    for record in RECORDS["seen"]:
        kind, path = parse_key(record["key"])
        if kind is RecordType.CONFIG and record["raw"]:
            assert decode_config(record["raw"].encode(), UTC).settings is not None or "delete" in record["raw"]
        assert path.startswith(("/", "T")) or kind is RecordType.COMMAND


def test_odd_numbers_are_read_as_phoebus_reads_them():
    raw = b'{"description":"b","latching":false,"foo":1,"delay":"2.5","count":null}'
    assert decode_config(raw, UTC).settings == AlarmSettings("b", latching=False, delay_s=2)


def test_a_leaf_without_description_keeps_it_and_a_node_stays_a_node():
    leaf = AlarmSettings("kept", delay_s=4)
    again = decode_config(b'{"guidance":[{"title":"T"}]}', UTC, leaf).settings
    assert isinstance(again, AlarmSettings)
    assert (again.description, again.delay_s, again.guidance[0].title) == ("kept", 4, "T")
    assert isinstance(decode_config(b'{"description":"x"}', UTC, NodeSettings()).settings, NodeSettings)


def test_a_bad_date_keeps_what_was():
    former = AlarmSettings("x", enabled=False, enabled_at=Nanos(5))
    record = decode_config(b'{"description":"x","enabled":"2040-01-02T03:04:05Z"}', UTC, former)
    assert isinstance(record.settings, AlarmSettings)
    assert (record.settings.enabled, record.settings.enabled_at) == (False, 5)
    assert "2040-01-02T03:04:05Z" in record.problems[0]


def test_dates_are_local():
    zone = ZoneInfo("Europe/Berlin")
    assert local_text(parse_local("2040-07-02T03:04", zone), zone) == "2040-07-02T03:04:00"
    assert parse_local("2040-07-02T03:04:05.12", zone) == parse_local("2040-07-02T01:04:05.12", UTC)


@pytest.mark.parametrize(("text", "time"), [("9999-12-31T23:59:59", LATEST), ("2600-01-01T00:00:00", LATEST), ("0001-01-01T00:00:00", 0)])
def test_dates_that_no_event_could_hold_are_cut(text, time):
    settings = decode_config(f'{{"description":"x","enabled":"{text}"}}'.encode(), UTC).settings
    assert isinstance(settings, AlarmSettings)
    assert (settings.enabled, settings.enabled_at) == (False, time)


@pytest.mark.parametrize(("seconds", "time"), [(10**12, LATEST), (-(10**12), 0)])
def test_times_that_no_event_could_hold_are_cut(seconds, time):
    stamp = f'{{"seconds":{seconds},"nano":0}}'
    raw = f'{{"severity":"OK","message":"","value":"","time":{stamp},"current_severity":"OK","current_message":""}}'
    state = decode_state(raw.encode())
    assert isinstance(state, LeafState)
    assert state.alarm.time == time


@pytest.mark.parametrize(
    ("text", "kind"),
    [("ack", CommandKind.ACKNOWLEDGE), ("acknowledged", CommandKind.ACKNOWLEDGE), ("unack", CommandKind.UNACKNOWLEDGE),
     ("maintenance", CommandKind.MAINTENANCE), ("dump", None)],
)  # fmt: skip
def test_commands_match_as_in_phoebus(text, kind):
    raw = json.dumps({"user": "u", "host": "h", "command": text}).encode()
    command = decode_command(StoredRecord("DemoCommand", 1, Nanos(7), "command:/Demo", raw, ()), "/Demo")
    assert (command.kind if command else None) == kind


@pytest.mark.parametrize("raw", [b"", b"[]", b"7", b'{"severity":"LOUD"}', b'{"severity":"OK","current_severity":"OK"}', b"\xff"])
def test_broken_states_are_refused_with_the_bytes_in_the_message(raw):
    with pytest.raises(WireError, match="not a state record"):
        decode_state(raw)


@pytest.mark.parametrize("origin", Origin)
def test_an_event_says_who_says_so(origin):
    event = Event(EventId("Demo", 1, 1), Nanos(5), EventKind.CHANGED, "/Demo/x", Severity.OK, Severity.OK, origin=origin)
    record = encode_event(event)
    assert decode_event(record) == event
    assert (b"origin" in record) == (origin is not Origin.ENGINE)


def test_every_field_of_an_event_is_read_as_it_was_written():
    snapshot = Snapshot(
        alarm=Alarm(Severity.MAJOR_ACK, "HIHI", "9", Nanos(2), latch=True),
        current=Sample(Severity.MINOR, "HIGH", "8", Nanos(3)),
        connected=False,
        since=Nanos(4),
        rise=EventId("Demo", 1, 2),
        acknowledgement=Acknowledgement("ann", "desk", "seen", Nanos(5)),
        suppression=Suppression("bob", "rack", "works", Nanos(6), Nanos(7)),
        annunciating=False,
    )
    event = Event(
        id=EventId("Demo", 1, 3),
        time=Nanos(8),
        kind=EventKind.ACKNOWLEDGED,
        path="/Demo/x",
        from_severity=Severity.MAJOR,
        to_severity=Severity.MAJOR_ACK,
        reason="command",
        pv_time=Nanos(9),
        description="Pump",
        annunciated=True,
        user="cleo",
        host="hall",
        comment="on it",
        correlation="c1",
        result=CommandResult("acknowledge", 1, ("/Demo/y",)),
        snapshot=snapshot,
        origin=Origin.DERIVED,
    )
    read = decode_event(encode_event(event))
    assert read == event
    assert hash(read) == hash(event)
    with pytest.raises(FrozenInstanceError):
        read.user = "dan"
