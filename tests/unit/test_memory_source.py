"""The source that tests push readings into."""

from __future__ import annotations

import pytest

from alarm_engine.errors import SourceError
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.sources.memory import MemorySource
from alarm_engine.sources.port import Source, Subscription


@pytest.fixture
def inputs() -> list[Input]:
    return []


@pytest.fixture
def source(inputs) -> MemorySource:
    source = MemorySource()
    port: Source = source
    port.start(inputs.extend)
    port.subscribe([Subscription("X"), Subscription("Y", values=True)])
    return source


def test_what_is_pushed_is_delivered_at_once_and_in_order(source, inputs):
    source.connect("X")
    source.put("X", Severity.MAJOR, "HIHI_ALARM", value="9.0", pv_time=Nanos(5))
    source.disconnect("X")
    source.fail("Y", "No PV")
    connected, reading, gone, failure = inputs
    assert isinstance(connected, Connection)
    assert connected.up
    assert isinstance(reading, Reading)
    assert reading[:5] == ("X", Severity.MAJOR, "HIHI_ALARM", "9.0", 5)
    assert isinstance(gone, Connection)
    assert not gone.up
    assert isinstance(failure, Failure)
    assert failure.problem == "No PV"
    assert connected.arrival <= reading.arrival <= gone.arrival


def test_it_knows_what_is_watched(source, inputs):
    assert source.subscribed == {Subscription("X"), Subscription("Y", values=True)}
    source.subscribe([Subscription("X", values=True)])
    assert source.subscriptions["X"].values
    source.connect("X")
    assert (source.status().total, source.status().connected) == (2, 1)
    source.unsubscribe(["X", "never subscribed"])
    assert (source.status().total, source.status().connected) == (1, 0)
    inputs.clear()
    source.put("X", Severity.MAJOR, "HIHI_ALARM")
    assert inputs == []


def test_nothing_comes_after_the_end(source, inputs):
    source.close()
    source.put("X", Severity.MAJOR, "HIHI_ALARM")
    assert inputs == []


def test_started_once_only(source):
    with pytest.raises(SourceError, match="started already"):
        source.start(lambda _: None)
