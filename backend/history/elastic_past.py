"""What was at a moment, and the checkpoints that make it quick, in Elasticsearch.

All configurations have one index for them, made with the first one. A checkpoint is announced by a document that can be found at
once, filled in under the condition that this very document is still there, and deleted by its id by whoever writes an older event.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any

from elasticsearch import AsyncElasticsearch, ConflictError, NotFoundError

from alarm_engine.errors import HistoryError
from alarm_engine.model.times import Nanos
from backend.history.checkpoints import (
    EVENTS_BETWEEN,
    MOST_REPLAYED,
    State,
    States,
    check_replayed,
    decode,
    encode,
    next_time,
    past_states,
    replay,
)
from backend.history.elastic_bulk import Operation, patiently, send
from backend.history.elastic_client import translated
from backend.history.elastic_documents import document_id
from backend.history.elastic_indices import make_index
from backend.history.elastic_mapping import PAST_FIELDS
from backend.history.elastic_months import Months
from backend.history.elastic_names import Names
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_query import HAS_STATE, Clause, all_of, by_id
from backend.history.elastic_reader import Hit, Question
from backend.history.port import PastStates

_ANNOUNCED, _MADE, _BEGIN = "announced", "made", "begin"
_AT_ONCE = 1_000
_STATE = {"stored_fields": "_none_", "docvalue_fields": ["path"], "sort": [*by_id("desc"), {"time": "desc"}, {"state": "desc"}]}
"""From columns alone: what is stored is packed, and to unpack it for each hit takes longer than all else. By values of the order, which are
there already, for ids decide alone: to fetch a column takes the server as long as to find the hit."""
STATES_A_PAGE = 10_000
"""As many as the server gives at once: they are small."""


class Past:
    """Checkpoints of one installation."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions) -> None:
        self._client = client
        self._options = options
        self._names = Names(options.prefix)
        self._months = Months(client, options)

    async def states_at(self, question: Question, config: str, time: Nanos, prefix: str | None) -> PastStates:
        """See `HistoryStore.states_at`."""
        is_whole, states = await asyncio.gather(self.is_whole(config, time), self._states(question, config, time))
        return past_states(config, states, prefix, complete=is_whole)

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`."""
        begin, gone = await asyncio.gather(self.begin(config), self._months.gone(config))
        if begin is not None and time < begin:
            return False
        gone = [one for one in gone if one.start <= time and (begin is None or one.end > begin)]
        if not gone:
            return True
        # A checkpoint that was made while all of it was there knows how each alarm was.
        after = max(one.end for one in gone)
        is_doubtful = any(one.doubtful for one in gone)
        return not is_doubtful and bool(await self._find(config, [_MADE], {"range": {"time": {"gte": after, "lte": time}}}, size=1))

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`."""
        begin, gone = await asyncio.gather(self.begin(config), self._months.gone(config))
        return max((one.end for one in gone if one.doubtful and (begin is None or one.end > begin)), default=Nanos(0))

    async def begin(self, config: str) -> Nanos | None:
        """Events before that time were deleted, all but the last one of each alarm; None: none were."""
        found = await self._find(config, [_BEGIN], size=1, _source=["time"])
        return Nanos(found[0]["_source"]["time"]) if found else None

    async def checkpoint(self, question: Question, config: str) -> bool:
        """See `HistoryStore.checkpoint`."""
        newest = await self._find(config, [_MADE], size=1, sort=[{"time": "desc"}], _source=["time"])
        base = Nanos(newest[0]["_source"]["time"]) if newest else None
        body: Clause = {"query": all_of([] if base is None else [_later(base)]), "sort": [{"time": "asc"}], "_source": False}
        found = await question.hits(body | {"from": EVENTS_BETWEEN - 1}, 1)
        if not found:
            return False
        time = next_time(base, Nanos(found[0]["sort"][0]))
        announced = await self._announce(config, time)
        with translated(self._options):
            # What was written before the announcement is seen now, and what comes after it will find the announcement.
            await self._client.indices.refresh(index=self._names.events(config))
        states = await self._states(question, config, time)
        await self._fill_in(config, time, announced, await asyncio.to_thread(encode, states))
        return True

    async def overtake(self, config: str, time: Nanos) -> None:
        """Events from that time on were written: what was known of later moments is no longer right."""
        await self._months.given_up(config, time)
        async for attempt in patiently(self._options):
            with attempt:
                await self._delete(config, [_ANNOUNCED, _MADE], not_before(time))

    async def begin_at(self, config: str, time: Nanos) -> None:
        """Events before a time are deleted: what was before is not known completely any more."""
        while not await self._has_begun_at(config, time):
            pass
        await self._delete(config, [_ANNOUNCED, _MADE], {"range": {"time": {"lt": time}}})

    async def _has_begun_at(self, config: str, time: Nanos) -> bool:
        """Set the begin, never back; False if another process has set it meanwhile: then it is to be looked at again."""
        await self._make()
        found = await self._find(config, [_BEGIN], size=1, seq_no_primary_term=True)
        if found and found[0]["_source"]["time"] >= time:
            return True
        only = {name: found[0][f"_{name[3:]}"] for name in ("if_seq_no", "if_primary_term")} if found else {"op_type": "create"}
        return await self._put_if(config, _BEGIN, {"kind": _BEGIN, "time": time}, only)

    async def _states(self, question: Question, config: str, time: Nanos) -> States:
        """The states at a moment: those of the checkpoint before it, and what came after."""
        sooner = {"range": {"time": {"lte": time}}}
        newest = await self._find(config, [_MADE], sooner, size=1, sort=[{"time": "desc"}])
        if not newest:
            return replay({}, await self._replayed(question, [HAS_STATE, sooner]))
        source = newest[0]["_source"]
        states, replayed = await asyncio.gather(
            asyncio.to_thread(lambda: decode(base64.b64decode(source["states"]))),
            self._replayed(question, [HAS_STATE, sooner, _later(source["time"])]),
        )
        return replay(states, replayed)

    async def _replayed(self, question: Question, clauses: list[Clause]) -> Iterable[State]:
        """What the events say: the newest of each alarm at the least."""
        body: Clause = {"query": all_of(clauses), **_STATE}
        hits, events = await question.newest_of_all(body, STATES_A_PAGE, MOST_REPLAYED + 1)
        check_replayed(events)
        if len(hits) == STATES_A_PAGE:
            hits = await question.hits(body, MOST_REPLAYED + 1, STATES_A_PAGE)
        return map(_state, hits)

    async def _announce(self, config: str, time: Nanos) -> Mapping[str, Any]:
        """Say that a checkpoint is being made; returns what identifies this announcement. Any that is still announced was given up."""
        await self._make()
        await self._delete(config, [_ANNOUNCED], {"match_all": {}})
        return await self._put(config, str(time), {"kind": _ANNOUNCED, "time": time})

    async def _fill_in(self, config: str, time: Nanos, announced: Mapping[str, Any], content: bytes) -> None:
        """Complete a checkpoint, unless it was overtaken by an older event meanwhile."""
        only = {"if_seq_no": announced["_seq_no"], "if_primary_term": announced["_primary_term"]}
        await self._put_if(config, str(time), {"kind": _MADE, "time": time, "states": base64.b64encode(content).decode()}, only)

    async def _put_if(self, config: str, key: str, document: dict[str, Any], conditions: Mapping[str, Any]) -> bool:
        """False if the conditions do not hold."""
        try:
            await self._put(config, key, document, **conditions)
        except HistoryError as problem:
            if not isinstance(problem.__cause__, ConflictError | NotFoundError):
                raise
            return False
        return True

    async def _put(self, config: str, key: str, document: dict[str, Any], **conditions: Any) -> Mapping[str, Any]:
        place = self._names.past
        with translated(self._options):
            answer = await self._client.index(
                index=place.alias,
                id=document_id(f"{config}.{key}"),
                document={"config": config, **document},
                require_alias=True,
                refresh=True,
                **conditions,
            )
        return answer.body  # type: ignore[no-any-return]

    async def _find(self, config: str, kinds: list[str], *clauses: Clause, **more: Any) -> list[Hit]:
        query = all_of([{"term": {"config": config}}, {"terms": {"kind": kinds}}, *clauses])
        with translated(self._options):
            answer = await self._client.search(
                index=self._names.past.index, ignore_unavailable=True, query=query, filter_path=["hits.hits"], **more
            )
        hits: list[Hit] = answer.body.get("hits", {}).get("hits", [])
        return hits

    async def _delete(self, config: str, kinds: list[str], clause: Clause) -> None:
        place = self._names.past
        while hits := await self._find(config, kinds, clause, size=_AT_ONCE, _source=False):
            # By id: a deletion by query would leave what is filled in at this moment.
            outcome = await send(self._client, self._options, [Operation(place.alias, hit["_id"], None) for hit in hits])
            if outcome.poisoned or outcome.homeless:
                raise HistoryError(f"{self._options.where}: checkpoints that are no longer right cannot be deleted from {place.index}")
            with translated(self._options):
                await self._client.indices.refresh(index=place.index)

    async def _make(self) -> None:
        await make_index(self._client, self._options, self._names.past, PAST_FIELDS)


def not_before(time: Nanos) -> Clause:
    """Checkpoints of that time or later, also those that are being made."""
    return all_of([{"terms": {"kind": [_ANNOUNCED, _MADE]}}, {"range": {"time": {"gte": time}}}])


def _later(time: int) -> Clause:
    return {"range": {"time": {"gt": time}}}


def _state(hit: Hit) -> State:
    epoch, n, time, state = hit["sort"][:4]
    return State(hit["fields"]["path"][0], state, epoch, n, Nanos(time))
