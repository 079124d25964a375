"""Transactions that nobody ends are brought to their end, however often it takes."""

from __future__ import annotations

import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.kafka_mender import Mender
from alarm_engine.journal.port import Cleanup, TopicSpec

TOPICS = ("One", "Two")


class Cluster:
    """Two topics that are hidden from offset 7 on until something is written to them."""

    settings = type("Settings", (), {"owns": "One", "servers": "kafka:9092"})

    def __init__(self) -> None:
        self.hidden = dict.fromkeys(TOPICS, 7)
        self.away: set[str] = set()
        self.written: list = []
        self.taken_back: dict[str, bool] = {}

    def undecided(self, topics):
        return {topic: self.hidden[topic] for topic in topics if topic in self.hidden}

    def await_decided(self, topics, patience_s):
        return not self.undecided(topics)

    def end(self, record, taken_back):
        if record.topic in self.away:
            raise JournalUnavailable(f"{record.topic} is away")
        self.written.append(record)
        self.taken_back[record.topic] = taken_back
        del self.hidden[record.topic]


@pytest.fixture
def cluster(monkeypatch):
    cluster = Cluster()
    cluster.undone = set()
    monkeypatch.setattr("alarm_engine.journal.kafka_mender.was_taken_back", lambda _, topic, offset, others: topic in cluster.undone)
    return cluster


@pytest.fixture
def mender(cluster):
    mender = Mender(cluster, cluster.end)
    mender.cover([TopicSpec(topic, Cleanup.COMPACT) for topic in TOPICS])
    return mender


def test_what_could_not_be_written_is_tried_again_and_keeps_no_other_topic_waiting(cluster, mender):
    cluster.away = {"One"}
    for _ in range(3):
        mender.tick()
    assert cluster.hidden == {"One": 7}
    cluster.away = set()
    mender.tick()
    assert not cluster.hidden
    assert len({record.headers for record in cluster.written}) == 2


def test_who_is_about_to_read_hears_that_something_is_hidden_still(cluster, mender):
    cluster.away = {"One"}
    with pytest.raises(JournalUnavailable, match="One is away"):
        mender.settle()
    assert cluster.hidden == {"One": 7}


def test_it_ends_as_it_did_where_it_is_decided(cluster, mender):
    cluster.undone = {"Two"}
    mender.settle()
    assert cluster.taken_back == {"One": False, "Two": True}
