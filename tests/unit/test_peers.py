"""What an engine knows of the others of its cell."""

from __future__ import annotations

from alarm_engine.clock import SystemClock
from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic, Nanos
from alarm_engine.peers import Peers, Signs
from alarm_engine.wire.keys import RecordType
from alarm_engine.wire.topics import status_topic
from tests.contract.journals import until

TOPIC = status_topic("cell")


class Away(MemoryJournal):
    """One that cannot be reached for a while."""

    away = False

    async def end(self, topic):
        if self.away:
            raise JournalUnavailable("it does not answer")
        return await super().end(topic)

    def reader(self, topics, starts):
        reader, fetch = (found := super().reader(topics, starts)), found.fetch

        async def fetched(*arguments, **named):
            if self.away:
                raise JournalUnavailable("it does not answer")
            return await fetch(*arguments, timeout_s=0.01)

        reader.fetch = fetched
        return reader


def test_one_that_was_started_again_has_not_stood_by_all_the_time():
    """In a container it has the name of the one before."""
    signs = Signs("me")

    def says(second, candidate):
        status = EngineStatus("pod:1", "Plant", 0, Nanos(0), 3, 3, 0, 0, 0, 0, 0, "", candidate=candidate)
        signs.hear(RecordType.STANDBY, status, at(second))

    def at(second):
        return Monotonic(second * NANOS_PER_SECOND)

    for second in range(10):
        says(second, second > 1)
    assert [peer.engine for peer in signs.standing_by("Plant", at(10), since=at(5))] == ["pod:1"]
    for second in range(20, 25):
        says(second, second > 22)
    assert signs.standing_by("Plant", at(25), since=at(15)) == []
    assert signs.standing_by("Plant", at(25), since=at(24)) != []


async def test_after_an_outage_the_others_are_listened_to_again(monkeypatch):
    """While nobody could say anything, nobody can be known to be silent."""
    monkeypatch.setattr("alarm_engine.peers._RETRY_S", 0.01)
    journal = Away()
    await journal.start()
    await journal.ensure_topics([TOPIC])
    peers = Peers(journal, TOPIC.name, "engine-a", SystemClock())
    peers.start()
    await until(lambda: peers.sure)
    journal.away = True
    await until(lambda: not peers.sure)
    journal.away = False
    await until(lambda: peers.sure)
    await peers.stop()
    await journal.close()
