"""Whether what was copied to a store is still there: an index may have been deleted, a file replaced, while nobody looked."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.errors import WireError
from alarm_engine.journal.port import Journal, StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from backend.history.event_records import event_in
from backend.history.port import EventQuery, HistoryStore

LOOK_BACK = 100
"""Offsets before a position that are looked at. Kafka counts the ends of transactions too, so not each one is a record."""


async def is_lost(journal: Journal, store: HistoryStore, where: tuple[str, str, int], oldest: Nanos) -> bool:
    """True if of the last events before a position (configuration, topic, offset) none is stored.

    Events before `oldest` may have been deleted, so they are not missed. Raises `JournalError`, `HistoryError`.
    """
    events = [event for event in await _last_events(journal, where) if event.time >= oldest]
    for event in reversed(events):  # mostly the first one is there
        if await _is_stored(store, event):
            return False
    return bool(events)


async def _is_stored(store: HistoryStore, event: Event) -> bool:
    """Looked for at its own time: several may be years apart, where a clock was wrong, and no question is about that many."""
    config, epoch, n = event.id
    just_before = EventId(config, epoch, n - 1)
    query = EventQuery(config, event.time, Nanos(event.time + 1), oldest_first=True, limit=1, after=just_before)
    return any(found.id == event.id for found in (await store.events(query)).events)


async def _last_events(journal: Journal, where: tuple[str, str, int]) -> list[Event]:
    config, topic, position = where
    if position == 0:
        return []
    records: list[StoredRecord] = []
    reader = journal.reader([topic], {topic: max(0, position - LOOK_BACK)})
    try:
        while True:
            fetched = await reader.fetch(max_records=LOOK_BACK, timeout_s=5.0)
            records += [record for record in fetched.records if record.offset < position]
            if fetched.caught_up or not fetched.records or fetched.records[-1].offset >= position - 1:
                return _decoded(records, config)
    finally:
        await reader.close()


def _decoded(records: Sequence[StoredRecord], config: str) -> list[Event]:
    events = []
    for record in records:
        try:
            events.append(event_in(record, config))
        except WireError:
            continue  # it is among the dead letters
    return events
