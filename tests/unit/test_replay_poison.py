"""One record that makes no sense does not keep the engine from starting: every other alarm lives."""

from __future__ import annotations

from datetime import UTC

import pytest

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.times import Nanos
from alarm_engine.replay import Replayed
from alarm_engine.wire.event import decode_event
from alarm_engine.wire.headers import STATE
from tests.unit.evaluating import TOPICS, Control

GC = "/Demo/Vacuum/GC1"
STATE_VALUE = (
    b'{"severity":"MAJOR","message":"m","value":"1","time":{"seconds":1,"nano":0},"current_severity":"MAJOR","current_message":"m"}'
)


@pytest.mark.parametrize(
    "record",
    [
        (TOPICS.config, f"state:{GC}", STATE_VALUE, ((STATE, b"[1,2,3,4,5,6]"),)),
        (TOPICS.config, f"state:{GC}", STATE_VALUE, ((STATE, b'[null,null,"x",true,"1",5]'),)),
        (TOPICS.config, f"state:{GC}", STATE_VALUE, ((STATE, b"5"),)),
        (TOPICS.runtime, f"runtime:{GC}", b'{"v":1,"deadline":"x","pending":["MAJOR","m","1",1,true]}', ()),
        (TOPICS.runtime, f"runtime:{GC}", b'{"v":1,"pending":["MAJOR","m","1",1,true]}', ()),
        (TOPICS.runtime, f"runtime:{GC}", b'{"v":1,"ring":[1e30]}', ()),
        (TOPICS.runtime, f"runtime:{GC}", b'{"v":1,"ack":{"user":"","host":"","reason":"","time":"x"}}', ()),
        (TOPICS.runtime, f"runtime:{GC}", b'{"v":1,"suppression":{"user":"","host":"","reason":"","since":1,"until":"x"}}', ()),
    ],
)
def test_it_is_counted_and_left_aside(record):
    replayed = Replayed()
    replayed.settings[GC] = AlarmSettings("Pressure", delay_s=5)
    topic, key, value, headers = record
    replayed.apply(StoredRecord(topic, 1, Nanos(1), key, value, headers), TOPICS, UTC)
    assert replayed.broken == 1
    control = Control()
    replayed.restore(control.evaluator, control.now)
    control.evaluator.begin(control.now)
    control.advance(6)
    assert GC in control.evaluator.tree.leaves


@pytest.mark.parametrize("time", [b'"x"', b"1e30", b"true", b"null"])
def test_an_event_without_a_time_is_none(time):
    with pytest.raises(WireError):
        decode_event(b'{"v":1,"id":"Demo.5.5","time":%b,"kind":"engine","path":"/Demo","from":"OK","to":"OK"}' % time)
