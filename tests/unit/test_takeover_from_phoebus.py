"""A configuration whose records a Phoebus server wrote: without our headers, and with nothing on our own topics."""

from __future__ import annotations

from datetime import UTC

import pytest

from alarm_engine.journal.port import Record, StoredRecord
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.replay import Replayed
from alarm_engine.wire.runtime import RootRuntime, Switches, encode_root
from tests.unit.evaluating import TOPICS, Control

GC = "/Demo/Vacuum/GC1"
CONFIG = (TOPICS.config, f"config:{GC}", b'{"user":"sam","host":"ops7","description":"Pressure"}')
OUT = (TOPICS.config, f"config:{GC}", b'{"user":"sam","host":"ops7","description":"Pressure","enabled":false}')
ALARM = b'{"severity":"MAJOR_ACK","message":"HIHI_ALARM","value":"12.0","time":{"seconds":1795351023,"nano":943541663},'
CURRENT = b'"current_severity":"MAJOR","current_message":"HIHI_ALARM"'
DISABLED = (
    b'{"severity":"OK","message":"Disabled","value":"","time":{"seconds":1795350855,"nano":648126493},'
    b'"current_severity":"OK","current_message":"OK"}'
)


def takes_over(*records: tuple[str, str, bytes | None]) -> tuple[Control, list[Record]]:
    """The engine, and what it writes first."""
    replayed = Replayed()
    for number, record in enumerate(records):
        replayed.apply(StoredRecord(record[0], number, Nanos(1), record[1], record[2], ()), TOPICS, UTC)
    control = Control()
    replayed.restore(control.evaluator, control.now)
    control.evaluator.begin(control.now)
    return control, control.publisher.records(control.take())


def written(records: list[Record], key: str) -> list[bytes | None]:
    return [record.value for record in records if record.key == key]


@pytest.mark.parametrize("fields", [b',"mode":"maintenance"', b',"notify":false', b',"mode":"maintenance","notify":false'])
def test_the_switches_are_those_of_the_newest_state(fields):
    normal = (TOPICS.config, "state:/Demo", b'{"severity":"MAJOR_ACK"}')
    set_ = (TOPICS.config, f"state:{GC}", ALARM + CURRENT + fields + b"}")
    expected = Switches(b"maintenance" in fields, b"notify" not in fields)
    control, records = takes_over(CONFIG, normal, set_)
    assert control.evaluator.switches == expected
    # Written down, since the next state record may be that of an alarm which is removed.
    assert written(records, "runtime:/Demo") == [encode_root(RootRuntime(expected))]
    control, records = takes_over(CONFIG, set_, normal)
    assert control.evaluator.switches == Switches()
    assert written(records, "runtime:/Demo") == []


def test_a_phoebus_server_after_us_has_the_last_word_on_switches():
    ours = (TOPICS.runtime, "runtime:/Demo", encode_root(RootRuntime(Switches(maintenance=True))))
    control, records = takes_over(CONFIG, ours, (TOPICS.config, "state:/Demo", b'{"severity":"OK"}'))
    assert control.evaluator.switches == Switches()
    assert written(records, "runtime:/Demo") == [encode_root(RootRuntime(Switches()))]


def test_switches_without_any_state_are_ours():
    control, _ = takes_over(CONFIG, (TOPICS.runtime, "runtime:/Demo", encode_root(RootRuntime(Switches(notify=False)))))
    assert control.evaluator.switches == Switches(notify=False)


def test_what_is_out_of_service_keeps_its_time():
    _, records = takes_over(OUT, (TOPICS.config, f"state:{GC}", DISABLED))
    assert written(records, f"state:{GC}") in ([], [DISABLED])


@pytest.mark.parametrize("alarm", ["OK", "MINOR_ACK", "MINOR"])
@pytest.mark.parametrize("latching", ["", ',"latching":false'])
def test_a_delay_that_only_the_memory_of_phoebus_knew_begins_anew(alarm, latching):
    value = f'{{"user":"sam","host":"ops7","description":"Pressure"{latching},"delay":3}}'.encode()
    state = ALARM.replace(b"MAJOR_ACK", alarm.encode()) + CURRENT + b"}"
    control, _ = takes_over((*CONFIG[:2], value), (TOPICS.config, f"state:{GC}", state))
    changes = control.sample("GC1", Severity.MAJOR, value="12.0")
    assert [record.value for record in control.publisher.records(changes) if record.key == f"state:{GC}"] == [state]
    assert not changes.talks
    assert control.severity(GC).name == alarm
    assert len(control.advance(4).talks) == 1
    assert control.severity(GC) is Severity.MAJOR


def test_an_alarm_that_stands_is_silent():
    control, records = takes_over(CONFIG, (TOPICS.config, f"state:{GC}", ALARM + CURRENT + b"}"))
    changes = control.sample("GC1", Severity.MAJOR, value="12.5")
    assert not changes.steps
    assert not changes.talks
    assert written(records, f"state:{GC}") == []
    assert control.severity(GC) is Severity.MAJOR_ACK
