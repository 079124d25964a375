"""What a Phoebus alarm logger has stored, copied into our history.

Ids are made of the documents, so that a document that is read again, now or in years, is the same event. The import ends where our own
history begins: what is told there is known better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import tzinfo

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.event import Event, Origin
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import MAX_RANGE_DAYS, EventQuery, HistoryStore
from backend.phoebus.derivation import FOUND, Derivation
from backend.phoebus.documents import Unmapped, records_of
from backend.phoebus.indices import Document, LoggerIndices
from backend.phoebus.recollection import recall, recollect

_DAY_NS = 86_400 * NANOS_PER_SECOND
_EXAMPLES = 3


@dataclass(slots=True)
class Report:
    """How far an import has come, and what it could not map."""

    documents: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    """Documents by what they tell: state, command, config."""
    events: int = 0
    """Events that follow from them."""
    new: int = 0
    """Those that were not there already."""
    until: Nanos | None = None
    """Time of the last document that is done with."""
    unmapped: Counter[str] = field(default_factory=Counter)
    """Documents that no event can be made of, by the reason."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Where some of them are, by the reason."""

    def note(self, reason: str, document: Document) -> None:
        """One that could not be mapped."""
        self.unmapped[reason] += 1
        found = self.examples.setdefault(reason, [])
        if len(found) < _EXAMPLES:
            found.append(f"{document.index}/{document.id}")


async def begin_of_own(store: HistoryStore, config: str, now: Nanos) -> Nanos:
    """When our own history of a configuration begins: what follows was seen as it happened. `now` if there is none."""
    end = Nanos(now + _DAY_NS)
    after = None
    while True:
        query = EventQuery(config, Nanos(end - MAX_RANGE_DAYS * _DAY_NS), end, oldest_first=True, limit=1000, after=after)
        page = await store.events(query)
        for event in page.events:
            if event.origin is not Origin.IMPORTED and event.reason != FOUND:
                return event.time
        if page.next is None:
            return now
        after = page.next


class Import:
    """One run over the documents of one configuration."""

    def __init__(self, source: LoggerIndices, store: HistoryStore, config: str, zone: tzinfo) -> None:
        self._source = source
        self._store = store
        self._config = config
        self._derivation = Derivation(config, zone, None, Origin.IMPORTED)

    async def run(self, report: Report, end: Nanos, size: int = 1000) -> AsyncGenerator[Report]:
        """Copy what came from `report.until` on and before `end`; gives the report after each page that is stored."""
        start = report.until if report.until is not None else Nanos(0)
        async with aclosing(self._source.pages(start, end, size)) as pages:
            async for page in pages:
                await self._store_page(page, report)
                yield report

    async def _store_page(self, documents: Sequence[Document], report: Report) -> None:
        known = await recollect(self._store, self._derivation, _records(self._config, documents))
        events: list[Event] = []
        for document in documents:
            report.documents += 1
            try:
                for record in records_of(self._config, document.source, _not_known):
                    await recall(self._store, self._derivation, record, known)
                records = records_of(self._config, document.source, self._derivation.is_alarm)
                for record in records:
                    events += self._derivation.feed(record)
            except Unmapped as problem:
                report.note(str(problem), document)
            except WireError as problem:
                report.note(str(problem).partition(": ")[0], document)  # what follows is the text of this one
            else:
                report.by_kind[records[0].key.partition(":")[0]] += 1
                report.until = records[0].time
        report.events += len(events)
        report.new += await self._store.write(events)


def _records(config: str, documents: Sequence[Document]) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    for document in documents:
        with suppress(Unmapped):
            found += records_of(config, document.source, _not_known)
    return found


def _not_known(_: str) -> bool:
    """What a path is matters for deletions only."""
    return False
