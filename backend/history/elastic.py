"""History in Elasticsearch 8 or 9.

Whoever asks through the store that wrote sees what it wrote: before the first question after a write the indices are refreshed, and only
then. To wait for a refresh with each write (`wait_for`) would hold the writer up for a second each time; to force one would make many small
segments that nobody looks at. Other processes see events after the server's own refresh, which is a second; the live view is not read here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog
from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryError, HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history import dead_letters, elastic_figures
from backend.history.elastic_bulk import Operation, send
from backend.history.elastic_client import translated
from backend.history.elastic_connection import Connection
from backend.history.elastic_documents import dead_document, document, document_id, event_of, letter_of
from backend.history.elastic_first import Firsts
from backend.history.elastic_indices import Indices
from backend.history.elastic_months import Months
from backend.history.elastic_names import Names, Place, month_span
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_overtaken import Begin, begins, is_anything_overtaken
from backend.history.elastic_past import Past
from backend.history.elastic_query import HAS_NO_SNAPSHOT, HAS_STATE, all_of, by_id, of_page
from backend.history.elastic_reader import Hit, Question
from backend.history.elastic_retention import Retention
from backend.history.elastic_summaries import ElasticSummaries
from backend.history.matching import check_buckets, check_limit, check_query, check_range, check_time
from backend.history.port import Bucket, CountBy, DeadLetter, EventPage, EventQuery, Frequency, Interval, PastStates

_EVENT = {"_source": ["event"]}
_DECODED_AT_ONCE = 500
"""Events decoded before others have their turn: some milliseconds."""
_TRIES = 3
"""How often an index that is gone again is made in one write."""

log = structlog.get_logger()


def _without_body(letter: DeadLetter) -> str:
    return f"{letter.reason} (its {len(letter.body)} bytes are left out)"


class ElasticHistory:
    """Stored events. One writer for a configuration, any number of readers; a reader makes nothing and changes nothing."""

    def __init__(self, options: ElasticOptions) -> None:
        self._options = options
        self._names = Names(options.prefix)
        self.summaries = ElasticSummaries(self._opened, options)
        self._connection: Connection | None = None
        self._unseen: set[str] = set()
        self._refreshing = asyncio.Lock()
        self._buried = 0
        self._losses = 0

    @property
    def buried(self) -> int:
        """See `HistoryStore.buried`."""
        return self._buried

    @property
    def losses(self) -> int:
        """See `HistoryStore.losses`."""
        return self._losses

    async def start(self) -> None:
        """See `HistoryStore.start`; raises `HistoryError` if indices of that name are not ours. Only a write makes something."""
        if self._connection is not None:
            return
        connection = Connection(self._options)
        try:
            await Indices(connection.client, self._options).check()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._work_with(connection.client)

    async def write(self, events: Sequence[Event]) -> int:
        """See `HistoryStore.write`."""
        self._opened()
        operations: list[Operation] = []
        homes: dict[Place, Event] = {}
        letters: list[DeadLetter] = []
        sent: list[Event] = []
        for event in events:
            try:
                body, place = document(event), self._names.place(event.id.config, event.time)
            except dead_letters.CANNOT_BE_WRITTEN as problem:
                letters.append(dead_letters.letter_of(event, problem))
                continue
            homes.setdefault(place, event)
            sent.append(event)
            operations.append(Operation(place.alias, document_id(str(event.id)), body))
        stored = begins(sent)
        for begin in stored:
            await self._firsts.note(begin.config, begin.first)
        new, refused = await self._send(operations, homes)
        await self._overtake(stored)
        by_id = {document_id(str(event.id)): event for event in sent} if refused else {}
        letters += [dead_letters.letter_of(by_id[operation.id], reason) for operation, reason in refused]
        if letters:
            await self.bury(letters)
            self._buried += len(letters)
            for letter in letters:
                log.error("event cannot be stored and was put aside", config=letter.config, key=letter.key, reason=letter.reason)
        return new

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """See `HistoryStore.bury`."""
        refused = await self._send_letters(letters)
        if refused:
            # Too large even to be put aside: its reason is worth more than that it stops the others; the journal has it still.
            refused = await self._send_letters([replace(one, body=b"", reason=_without_body(one)) for one in letters if one.key in refused])
        if refused:
            raise HistoryError(f"{self._options.where} refuses a dead letter ({next(iter(refused.values()))}): look at its index")

    async def dead_letters(self, config: str, limit: int = 100) -> list[DeadLetter]:
        """See `HistoryStore.dead_letters`."""
        check_limit(limit)
        client = self._opened()
        index = self._names.dead(config).index
        with translated(self._options):
            await client.indices.refresh(index=index, ignore_unavailable=True)
        question = Question(client, self._options, index + "*")
        hits = await question.hits({"query": all_of([{"term": {"config": config}}]), "sort": [{"key": "asc"}]}, limit)
        return [letter_of(hit["_source"]) for hit in hits]

    async def events(self, query: EventQuery) -> EventPage:
        """See `HistoryStore.events`."""
        check_query(query)
        question = await self._ask(query.config)
        if query.start >= query.end:
            return EventPage((), None)
        body = {"query": of_page(query), "sort": by_id("asc" if query.oldest_first else "desc"), **_EVENT}
        hits = await question.hits(body, query.limit + 1)
        # One that is kept and not yet deleted in its month comes twice.
        events = tuple({event.id: event for event in await self._decoded(hits[: query.limit])}.values())
        return EventPage(events, events[-1].id if len(hits) > query.limit else None)

    async def last_before(self, config: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
        """See `HistoryStore.last_before`."""
        check_time(time)
        question = await self._ask(config)
        clause = all_of([HAS_STATE], none_of=[HAS_NO_SNAPSHOT])
        found = await self._decoded(await question.newest(paths, time, [clause], _EVENT))
        return {event.path: event for event in found}

    async def states_at(self, config: str, time: Nanos, path_prefix: str | None = None) -> PastStates:
        """See `HistoryStore.states_at`."""
        check_time(time)
        return await self._past.states_at(await self._ask(config), config, time, path_prefix)

    async def checkpoint(self, config: str) -> bool:
        """See `HistoryStore.checkpoint`."""
        return await self._past.checkpoint(await self._ask(config), config)

    async def intervals(self, config: str, paths: Sequence[str], start: Nanos, end: Nanos) -> list[Interval]:
        """See `HistoryStore.intervals`."""
        check_range(start, end)
        question = await self._ask(config)
        return await elastic_figures.intervals(question, paths, (start, end)) if start < end else []

    async def counts(
        self, config: str, start: Nanos, end: Nanos, bucket_s: int, by: CountBy, path_prefix: str | None = None
    ) -> list[Bucket]:
        """See `HistoryStore.counts`."""
        check_buckets(start, end, bucket_s)
        return await elastic_figures.counts(await self._ask(config), (start, end), (bucket_s, by), path_prefix)

    async def most_frequent(self, config: str, start: Nanos, end: Nanos, limit: int, path_prefix: str | None = None) -> list[Frequency]:
        """See `HistoryStore.most_frequent`."""
        check_range(start, end)
        check_limit(limit)
        return await elastic_figures.most_frequent(await self._ask(config), (start, end), limit, path_prefix)

    async def delete_before(self, config: str, time: Nanos) -> int:
        """See `HistoryStore.delete_before`: deletes by whole months."""
        check_time(time)
        self._opened()
        deleted = await self._retention.delete_before(config, time)
        if deleted:
            await self.summaries.forget(config, month_span(time)[0])
        return deleted

    async def refilled(self, config: str, first: Event) -> None:
        """See `HistoryStore.refilled`."""
        self._opened()
        await self._months.refilled(config, Nanos(0) if await self._firsts.are_all_from(config, first.id[1:]) else first.time)

    async def close(self) -> None:
        """See `HistoryStore.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _opened(self) -> AsyncElasticsearch:
        connection = self._connection
        if connection is None:
            raise HistoryUnavailable(f"the history in {self._options.where} is not open")
        if connection.renew():
            self._work_with(connection.client)
        return connection.client

    def _work_with(self, client: AsyncElasticsearch) -> None:
        self._indices = Indices(client, self._options)
        self._months = Months(client, self._options)
        self._firsts = Firsts(client, self._options)
        self._past = Past(client, self._options)
        self._retention = Retention(client, self._options, self._indices, self._past)

    async def _ask(self, config: str) -> Question:
        """A question about a configuration, which sees what was written here."""
        client = self._opened()
        pattern = self._names.events(config)
        async with self._refreshing:
            if config in self._unseen:
                self._unseen.discard(config)
                try:
                    with translated(self._options):
                        await client.indices.refresh(index=pattern)
                except BaseException:
                    self._unseen.add(config)
                    raise
        return Question(client, self._options, pattern)

    async def _decoded(self, hits: Sequence[Hit]) -> list[Event]:
        found: list[Event] = []
        for hit in hits:
            found.append(event_of(hit["_source"]))
            if len(found) % _DECODED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return found

    async def _overtake(self, stored: Sequence[Begin]) -> None:
        """Checkpoints that are not older than what was written go, also if it was there already: who wrote it may have been killed then."""
        if stored and await is_anything_overtaken(self._opened(), self._options, stored):
            for begin in stored:
                await asyncio.gather(self._past.overtake(begin.config, begin.time), self.summaries.cut(begin.config, begin.first))

    async def _send_letters(self, letters: Sequence[DeadLetter]) -> dict[str, str]:
        """Store dead letters; returns the keys of those that were refused, with the reasons."""
        homes = {self._names.dead(letter.config) for letter in letters}
        for place in homes:
            if not self._indices.known(place):
                await self._indices.make(place, events=False)
        keys = {document_id(letter.key): letter.key for letter in letters}
        operations = [
            Operation(self._names.dead(letter.config).alias, document_id(letter.key), dead_document(letter)) for letter in letters
        ]
        outcome = await send(self._opened(), self._options, operations)
        if outcome.homeless:
            self._indices.forget(list(homes))
            raise HistoryUnavailable(f"{self._options.where}: the index of dead letters is gone, it is made again")
        return {keys[operation.id]: reason for operation, reason in outcome.poisoned}

    async def _send(self, operations: Sequence[Operation], homes: dict[Place, Event]) -> tuple[int, list[tuple[Operation, str]]]:
        """Store documents, their indices made where they are not there. Returns how many are new, and what was refused and why."""
        new = 0
        refused: list[tuple[Operation, str]] = []
        for _ in range(_TRIES):
            if not operations:
                break
            for place, event in homes.items():
                if not self._indices.known(place):
                    await self._months.to_be_made(event.id.config, event.time)
                    await self._indices.make(place, month_span(event.time)[1])
                    await self._months.made(event.id.config)
                    await self._retention.bring_back(event.id.config, event.time)
            try:
                outcome = await send(self._opened(), self._options, operations)
            finally:
                # Not before: who asked meanwhile has had the indices refreshed too early.
                self._unseen.update(event.id.config for event in homes.values())
            new += outcome.done
            refused += outcome.poisoned
            operations = outcome.homeless
            gone = {operation.alias for operation in operations}
            self._indices.forget([place for place in homes if place.alias in gone])
            if gone:
                self._losses += 1
                log.warning("an index of the history is gone and is made again", indices=sorted(gone))
        if operations:
            raise HistoryUnavailable(f"{self._options.where}: index {operations[0].alias} vanishes as often as it is made")
        if refused:
            wrong = {operation.alias for operation, _ in refused}
            await self._indices.compare([place for place in homes if place.alias in wrong])
        return new, refused
