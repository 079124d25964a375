"""Which record tells whether a transaction without an answer came to be: one that Kafka keeps while it is away from us."""

from __future__ import annotations

import pytest

from alarm_engine.journal import kafka_doubt
from alarm_engine.journal.kafka_doubt import Doubt
from alarm_engine.journal.port import Record, StoredRecord
from alarm_engine.wire.topics import Topics

TOPICS = Topics("Plant")
OLD, NEW = Record("Plant", "state:/Plant/a", b"1"), Record("Plant", "state:/Plant/a", b"2")
OTHER, GONE = Record("Plant", "state:/Plant/b", b"3"), Record("Plant", "state:/Plant/c", None)
EVENT, TALK = Record("PlantEvents", "event:/Plant/a", b"e"), Record("PlantTalk", "talk:/Plant/a", b"t")


class Log:
    """Topics as they are after everything was tidied up."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []

    def ends(self, topics):
        return {topic: sum(record.topic == topic for record in self.records) for topic in topics}

    def write(self, *records):
        self.records += [StoredRecord(one.topic, self.ends([one.topic])[one.topic], 0, one.key, one.value, one.headers) for one in records]


@pytest.fixture
def log(monkeypatch):
    log = Log()

    def read(_, topic, start, end):
        return [record for record in log.records if record.topic == topic and start <= record.offset < end]

    monkeypatch.setattr(kafka_doubt, "read", read)
    return log


def in_doubt(log, batch):
    doubt = Doubt(log)
    doubt.cover(TOPICS.specs())
    doubt.begin({record.topic for record in batch})
    doubt.commits([batch])
    return doubt


@pytest.mark.parametrize(
    ("batch", "witness"),
    [
        ([OLD, EVENT, TALK], EVENT),
        ([OLD, NEW, TALK], NEW),
        ([OLD, GONE, NEW], NEW),
        ([GONE, TALK], GONE),
        ([OLD], OLD),
        ([TALK], TALK),
    ],
)
def test_what_tells_is_what_stays(log, batch, witness):
    doubt = in_doubt(log, batch)
    assert doubt.topic(batch) == witness.topic
    assert not doubt.is_committed(batch)
    log.write(witness)  # and nothing else is left of it
    assert doubt.is_committed(batch)


def test_what_is_tried_again_may_end_otherwise(log):
    batch = [OLD, EVENT, TALK]
    doubt = in_doubt(log, batch)
    log.write(*batch)
    again = [OLD, EVENT]
    assert doubt.concerns(again)
    assert doubt.is_committed(again)


def test_the_same_again_is_not_taken_for_what_came_before(log):
    """The first was looked for in one of its topics: where the others end has to be asked again."""
    doubt = in_doubt(log, [EVENT, OTHER])
    log.write(EVENT, OTHER)
    doubt.over([[EVENT, OTHER]], {"PlantEvents": 1})
    doubt.begin({"Plant"})
    doubt.commits([[OTHER]])
    assert not doubt.is_committed([OTHER])
