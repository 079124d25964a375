"""What the history store knows of alarms before the first record that is read of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.port import History
from backend.phoebus.derivation import Derivation


async def recollect(history: History, derivation: Derivation, records: Iterable[StoredRecord]) -> dict[str, Event]:
    """The last events of all alarms that are met for the first time in these records, by path: one question for most of them."""
    first: dict[str, StoredRecord] = {}
    for record in records:
        if (path := derivation.unknown(record)) is not None:
            first.setdefault(path, record)
    if not first:
        return {}
    newest = max(record.time for record in first.values())
    return await history.last_before(derivation.config, list(first), Nanos(newest + 1))


async def recall(history: History, derivation: Derivation, record: StoredRecord, known: Mapping[str, Event]) -> None:
    """Tell how the alarm of a record was before it; `known` is what `recollect` gave for the records that this one is among."""
    path = derivation.unknown(record)
    if path is None:
        return
    event = known.get(path)
    if event is not None and event.id >= derivation.id_of(derivation.config, record):
        # This record and maybe later ones were stored before.
        event = (await history.last_before(derivation.config, [path], record.time)).get(path)
    derivation.recall(path, event)
