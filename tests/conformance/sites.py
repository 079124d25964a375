"""Where a session is played: the journal that our engine writes to, and its topics as clients see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from alarm_engine.holding import Writer
from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Journal, JournalReader, Record
from alarm_engine.wire.topics import Topics, status_topic


class Seen(NamedTuple):
    """A record as a client reads it."""

    topic: str
    key: str
    value: bytes | None
    """None: a tombstone."""


class Site(Protocol):
    """One use: opened for one configuration, then closed."""

    @property
    def journal(self) -> Journal:
        """For the engine, open."""
        ...

    @property
    def writer(self) -> Writer | None:
        """For the engine; see `EnginePorts.writer`."""
        ...

    async def open(self, topics: Topics, cell: str) -> None:
        """Make the topics of a configuration and the status of a cell; what was there before is never read."""
        ...

    async def write(self, topic: str, key: str, value: bytes | None) -> None:
        """As a client of Phoebus does: without headers. Returns when the record can be read."""
        ...

    async def read(self, wait_s: float = 0) -> list[Seen]:
        """All that nobody has read yet of state, configuration, talk and events, as far as it is there at the call.

        In the order of each topic. Waits for so long if nothing is there.
        """
        ...

    async def close(self) -> None:
        """Leave nothing behind."""
        ...


MakeSite = Callable[[], Site]
"""Called in the process of the session, so it must be importable there."""


class JournalSite:
    """A journal of this process, for the engine and for its clients."""

    writer: Writer | None = None

    def __init__(self, make_journal: Callable[[], Journal] = MemoryJournal) -> None:
        self.journal = make_journal()
        self._reader: JournalReader | None = None

    async def open(self, topics: Topics, cell: str) -> None:
        """See `Site.open`."""
        await self.journal.start()
        await self.journal.ensure_topics([*topics.specs(), status_topic(cell)])
        self._reader = self.journal.reader([topics.config, topics.talk, topics.events])

    async def write(self, topic: str, key: str, value: bytes | None) -> None:
        """See `Site.write`."""
        await self.journal.append([Record(topic, key, value)])

    async def read(self, wait_s: float = 0) -> list[Seen]:
        """See `Site.read`."""
        assert self._reader is not None
        seen: list[Seen] = []
        while True:
            fetched = await self._reader.fetch(timeout_s=0.001 if seen else max(wait_s, 0.001))
            seen += [Seen(record.topic, record.key, record.value) for record in fetched.records]
            if fetched.caught_up and not fetched.records:
                return seen

    async def close(self) -> None:
        """See `Site.close`."""
        if self._reader is not None:
            await self._reader.close()
        await self.journal.close()
