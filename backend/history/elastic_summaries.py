"""Summaries of alarm figures in Elasticsearch, in one index for all configurations.

The chain of a configuration ends where one document says, the frontier, which is read by its id and replaced only under the condition that
it is still the one that was read. Parts are stored before it and found at once; those beyond it count for nothing, and are deleted by
whoever goes on from there. Events and frontier are two documents, so both sides look: parts are taken, and then the events are counted that
they should have; events are stored, and then the frontier is read, that it may be cut back. Whichever came second sees the other. What this
costs is the same for one part and for many.

One process makes the chain of a configuration. Where there are several, one that was paused may go on for a moment after another has taken
its place, and store parts of its own over those of the other. It finds then that the frontier is not the one that it has read, and cuts the
chain back to before those parts: they are made anew. So what is begun here is brought to its end also if nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from elasticsearch import AsyncElasticsearch, ConflictError

from alarm_engine.errors import HistoryError, HistoryUnavailable
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.elastic_bulk import Operation, send
from backend.history.elastic_client import translated
from backend.history.elastic_documents import document_id, event_of
from backend.history.elastic_indices import make_index
from backend.history.elastic_mapping import SUMMARY_FIELDS
from backend.history.elastic_names import Names
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_past import Past
from backend.history.elastic_query import Clause, all_of, beyond, by_id
from backend.history.elastic_query import before as earlier
from backend.history.elastic_reader import Question
from backend.history.summaries import NOTHING, Frontier, Mark, Part, Stored, is_chain
from backend.kpi.definitions import DAY_NS

_PART, _DAY, _END, _FRONTIER = "part", "day", "end", "frontier"
_DAYS_AT_ONCE, _PARTS_AT_ONCE = 13, 25
"""Summaries read in one request: one more than mostly are asked for at a time, so that a second request need not say that these are all."""
_IDS_AT_ONCE = 1_000
_FINISH_S = 2.0
"""Longest time that a process which ends waits for what it has begun."""

Fields = dict[str, Any]


class ElasticSummaries:
    """See `SummaryStore`."""

    def __init__(self, client: Callable[[], AsyncElasticsearch], options: ElasticOptions) -> None:
        """`client` is asked for each time: it raises `HistoryUnavailable` while there is none."""
        self._client = client
        self._options = options
        self._names = Names(options.prefix)
        self._left: dict[str, Frontier | None] = {}
        """Where we left each chain: beyond it there is nothing."""

    async def begin(self, config: str) -> Nanos | None:
        """See `SummaryStore.begin`."""
        return await Past(self._client(), self._options).begin(config)

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`."""
        return await Past(self._client(), self._options).is_whole(config, time)

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.has_events_from`."""
        return await self.is_whole(config, time)

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`."""
        return await Past(self._client(), self._options).doubtful_until(config)

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """See `SummaryStore.following`."""
        await self._refresh(config)
        question = Question(self._client(), self._options, self._names.events(config))
        body: Clause = {"sort": by_id("asc"), "_source": ["event"]}
        epoch, n = first
        # Mostly ids have no gaps: then only what is wanted is sorted, and not all that is newer.
        sooner = [] if before is None else [earlier(before)]
        near = all_of([{"term": {"epoch": epoch}}, {"range": {"n": {"gte": n, "lt": n + limit}}}, *sooner])
        hits = await question.hits(body | {"query": near}, limit)
        if len(hits) < limit:
            hits = await question.hits(body | {"query": all_of([_from(first), *sooner])}, limit)
        # One that is kept and not yet deleted in its month comes twice.
        return list({event.id: event for event in (event_of(hit["_source"]) for hit in hits)}.values())

    async def frontier(self, config: str) -> Frontier | None:
        """See `SummaryStore.frontier`."""
        return _frontier((await self._get(config)).get("_source"))

    async def append(self, *parts: Part) -> bool:
        """See `SummaryStore.append`."""
        appending = asyncio.create_task(self._append(parts), name="append summaries")
        try:
            return await asyncio.shield(appending)
        except asyncio.CancelledError:
            await asyncio.wait([appending], timeout=_FINISH_S)
            appending.cancel()
            await asyncio.gather(appending, return_exceptions=True)
            raise

    async def _append(self, parts: Sequence[Part]) -> bool:
        config, first, frontier = parts[0].config, parts[0].first, parts[-1].frontier
        found = await self._get(config)
        before = _frontier(found.get("_source"))
        if not is_chain(before, parts):
            return False
        if config not in self._left or self._left[config] != before:
            await make_index(self._client(), self._options, self._names.summaries, SUMMARY_FIELDS)
            await self._delete(config, [_PART, _DAY, _END], {"range": {"end": {"gt": before.end if before else 0}}})
        self._left.pop(config, None)
        await self._store(parts)
        if not await self._replace(config, frontier, found):
            await self.cut(config, first)
            return False
        if await self._count(config, first, frontier.next) != sum(part.events for part in parts):
            await self.cut(config, first)
            return False
        self._left[config] = frontier
        return True

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """See `SummaryStore.between`."""
        question = self._question()
        clauses = [*_which(config, [_DAY if days else _PART]), {"range": {"start": {"gte": start, "lt": end}}}]
        body: Clause = {"query": all_of(clauses), "sort": [{"start": "asc"}]}
        at_once = _DAYS_AT_ONCE if days else _PARTS_AT_ONCE
        found: list[Stored] = []
        after: Clause = {}
        while True:
            hits = await question.hits(body | after, at_once)
            sources = [hit["_source"] for hit in hits]
            found += [Stored(Nanos(one["start"]), Nanos(one["end"]), base64.b64decode(one["body"])) for one in sources]
            if len(hits) < at_once:
                return found
            after = {"search_after": hits[-1]["sort"]}

    async def cut(self, config: str, oldest: Mark) -> None:
        """An event of that id was written, or may have been by one who was killed then: what was made of those around it goes."""
        while True:
            found = await self._get(config, ["end", "epoch", "n"])
            source = found.get("_source")
            if source is None or (source["epoch"], source["n"]) <= oldest:
                return
            epoch, n = oldest
            clauses = [*_which(config, [_END]), {"range": {"end": {"lt": source["end"]}}}, beyond(epoch, n + 1, "lt")]
            kept = await self._question().hits({"query": all_of(clauses), "sort": [{"end": "desc"}]}, 1)
            if await self._replace(config, (_frontier(kept[0]["_source"]) if kept else None) or _NOWHERE, found):
                return

    async def forget(self, config: str, time: Nanos) -> None:
        """Events before a time were deleted: no more is answered for than is there."""
        await self._delete(config, [_PART, _DAY, _END, _FRONTIER], {"range": {"end": {"lte": time}}})

    async def _get(self, config: str, only: list[str] | None = None) -> Mapping[str, Any]:
        """The document of the frontier as it is now; empty if there is none."""
        place = self._names.summaries
        with translated(self._options):
            client = self._client().options(ignore_status=404)
            answer = await client.get(index=place.index, id=_id(config, _FRONTIER), source_includes=only or ["end", "epoch", "n", "body"])
        return answer.body if answer.body.get("found") else {}

    async def _store(self, parts: Sequence[Part]) -> None:
        """Store parts, days and ends of days, to be found when this returns."""
        place = self._names.summaries
        outcome = await send(
            self._client(),
            self._options,
            [
                Operation(place.alias, _id(part.config, f"{kind}.{key}"), orjson.dumps(_document(part.config, kind, fields)), replaces=True)
                for part in parts
                for kind, key, fields in _of_part(part)
            ],
        )
        if outcome.homeless:
            raise HistoryUnavailable(f"{self._options.where}: index {place.index} is gone, it is made again")
        if outcome.poisoned:
            raise HistoryError(f"{self._options.where} refuses a summary ({outcome.poisoned[0][1]}): look at index {place.index}")
        with translated(self._options):
            await self._client().indices.refresh(index=place.index)

    async def _replace(self, config: str, frontier: Frontier, found: Mapping[str, Any]) -> bool:
        """Set the frontier; False if it is not any more what was found."""
        conditions: Fields = {"op_type": "create"}
        if found:
            conditions = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        try:
            with translated(self._options):
                await self._client().index(
                    index=self._names.summaries.alias,
                    id=_id(config, _FRONTIER),
                    document=_document(config, _FRONTIER, _fields(frontier)),
                    require_alias=True,
                    refresh=True,
                    **conditions,
                )
        except HistoryError as problem:
            if isinstance(problem.__cause__, ConflictError):
                return False
            raise
        return True

    async def _delete(self, config: str, kinds: list[str], clause: Clause) -> None:
        place = self._names.summaries
        body: Clause = {"query": all_of([*_which(config, kinds), clause]), "sort": [{"end": "asc"}], "_source": False}
        while hits := await self._question().hits(body, _IDS_AT_ONCE):
            # By id: not every server can delete by query.
            outcome = await send(self._client(), self._options, [Operation(place.alias, hit["_id"], None) for hit in hits])
            if outcome.poisoned or outcome.homeless:
                raise HistoryError(f"{self._options.where}: summaries that are no longer right cannot be deleted from {place.index}")
            with translated(self._options):
                await self._client().indices.refresh(index=place.index)

    def _question(self) -> Question:
        return Question(self._client(), self._options, self._names.summaries.index + "*")

    async def _count(self, config: str, first: Mark, until: Mark) -> int:
        """Events from one id until before another one."""
        await self._refresh(config)
        query = all_of([_from(first), beyond(*until, "lt")])
        with translated(self._options):
            answer = await self._client().count(index=self._names.events(config), query=query)
        return int(answer["count"])

    async def _refresh(self, config: str) -> None:
        with translated(self._options):
            await self._client().indices.refresh(index=self._names.events(config))


def ends_beyond(first: Mark) -> Clause:
    """Frontiers of chains that an event of that id, or one after it, should be in."""
    return all_of([{"term": {"kind": _FRONTIER}}, beyond(*first, "gt")])


_NOWHERE = Frontier(Nanos(0), NOTHING, b"")


def _frontier(source: Fields | None) -> Frontier | None:
    if source is None or not source["end"]:
        return None
    return Frontier(Nanos(source["end"]), (source["epoch"], source["n"]), base64.b64decode(source["body"]))


def _of_part(part: Part) -> Iterator[tuple[str, Nanos, Fields]]:
    """What is stored of it: kind, time in the id, fields."""
    for kind, stored in ((_PART, part.summaries), (_DAY, part.day)):
        if stored is not None:
            yield kind, stored.start, {"start": stored.start, "end": stored.end, "body": stored.body}
    if part.frontier.end % DAY_NS == 0:
        yield _END, part.frontier.end, _fields(part.frontier)


def _document(config: str, kind: str, fields: Fields) -> Fields:
    return {**fields, "config": config, "kind": kind, "body": base64.b64encode(fields["body"]).decode()}


def _fields(frontier: Frontier) -> Fields:
    epoch, n = frontier.next
    return {"end": frontier.end, "epoch": epoch, "n": n, "body": frontier.carried}


def _which(config: str, kinds: list[str]) -> list[Clause]:
    return [{"term": {"config": config}}, {"terms": {"kind": kinds}}]


def _from(first: Mark) -> Clause:
    return beyond(first[0], first[1] - 1, "gt")


def _id(config: str, key: str) -> str:
    return document_id(f"{config}.{key}")
