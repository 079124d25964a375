"""What an engine knows of the others of its cell."""

from __future__ import annotations

from alarm_engine.clock import SystemClock
from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.peers import Peers
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
