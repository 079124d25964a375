"""What is no event record is refused with a sentence, whatever it is: one bad record must never stop what reads."""

import orjson
import pytest

from alarm_engine.errors import WireError
from alarm_engine.model.state import EventId
from alarm_engine.wire.event import decode_event

GOOD = {"v": 1, "id": "Demo.1.2", "time": 5, "kind": "alarm", "path": "/Demo/x", "from": "OK", "to": "MAJOR"}
STATE = {"alarm": ["MAJOR", "HIHI", "1", 5], "current": ["MAJOR", "HIHI", "1", 5], "since": 5, "rise": "Demo.1.2"}


def record(**changed: object) -> bytes:
    return orjson.dumps({key: value for key, value in (GOOD | changed).items() if value is not ...})


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (record(path=5), "$.path"),
        (record(kind="flooded"), "flooded"),
        (record(to="HOT"), "HOT"),
        (record(id="Demo"), "CONFIG.EPOCH.N"),
        (record(id=...), "id"),
        (record(time="5"), "$.time"),
        (record(time=5.5), "$.time"),
        (record(time=True), "$.time"),
        (record(time=2**63), "$.time"),
        (record(pv_time=2**64 - 1), "$.pv_time"),
        (record(user=None), "$.user"),
        (record(state=STATE | {"alarm": ["MAJOR", "HIHI", "1"]}), "$.state.alarm"),
        (record(state=STATE | {"since": "5"}), "$.state.since"),
        (record(state=STATE | {"rise": "Demo"}), "CONFIG.EPOCH.N"),
        (record(state=STATE | {"ack": {"user": "mara"}}), "host"),
        (record(result={"command": "shelve"}), "$.result"),
        (record().replace(b"/Demo/x", b"\\ud800"), "surrogate"),
        (record().replace(b"/Demo/x", b"\xff"), "UTF-8"),
        (record()[:-1], "truncated"),
        (record() + b"x", "trailing"),
        (b"", "truncated"),
        (b"[1]", "object"),
        (b"null", "object"),
        (record()[:-1] + b',"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ],
)
def test_what_is_no_event_is_refused_by_a_sentence_that_names_the_field(bad, named):
    with pytest.raises(WireError, match="not an event record") as refused:
        decode_event(bad)
    assert named in str(refused.value)


def test_a_record_of_a_newer_form_is_not_called_damaged():
    with pytest.raises(WireError, match="form version 2: this tocsin reads version 1; update it"):
        decode_event(orjson.dumps({"v": 2, "id": ["Demo", 1, 2], "when": 5}))


def test_fields_that_a_later_tocsin_may_add_are_passed_over():
    assert decode_event(record(weather={"rain": [1, 2]})) == decode_event(record())


def test_an_id_that_is_stored_beside_the_record_is_taken_for_the_rise_too():
    known = EventId("Demo", 1, 2)
    read = decode_event(record(state=STATE), known)
    assert read == decode_event(record(state=STATE))
    assert read.id is known
    assert read.snapshot is not None
    assert read.snapshot.rise is known
