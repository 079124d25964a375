"""When a reader of Kafka takes its consumer for lost."""

from __future__ import annotations

from alarm_engine.journal.kafka_cluster import Seen
from alarm_engine.journal.kafka_parts import Part


def looked(part: Part, now_s: float, end: int) -> bool:
    """The watch looks."""
    part.look(Seen("id", 1, 0, end))
    return part.stuck(now_s)


def test_nothing_more_for_long_although_there_is():
    part = Part("Events", 0)
    assert [second for second in range(100) if looked(part, second, 5)] == [10, 30, 70]
    part.advance(5)
    assert not looked(part, 101, 5)
    assert [second for second in range(102, 120) if looked(part, second, 9)] == [111]


def test_one_that_gets_on_or_has_nothing_to_read_is_left_alone():
    part = Part("Events", 0)
    for second in range(100):
        assert not looked(part, second, 1000)
        part.advance(second)
    part.advance(1000)
    assert not any(looked(part, second, 1000) for second in range(100, 200))
    assert not looked(part, 200, 1001)


def test_while_nobody_looked_nothing_was_waited_for():
    part = Part("Events", 0)
    assert not looked(part, 1, 5)
    assert not looked(part, 300, 5)
    assert not looked(part, 305, 5)
    assert looked(part, 310, 5)
