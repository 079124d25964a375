"""Deletion by whole months, and what outlives it: the last state of each alarm.

Before the indices of old months go, the last event of each alarm that says something about its state is copied to the index of kept states.
That index is one of the configuration's like any other, so that questions find it without knowing. Should events of a deleted month be
written again (the journal was read anew), what was kept of that month moves back first: an id stays unique.

A crash between copying and deleting leaves some events twice until the next round, which is no more than that: pages show them once.

A process that was paused may go on with this for a moment after another has taken its place. So of the kept states only such are dropped as
were there before the last states were looked for: what another has copied meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryError
from alarm_engine.model.times import Nanos
from backend.history.elastic_bulk import Operation, send
from backend.history.elastic_client import translated
from backend.history.elastic_indices import Indices
from backend.history.elastic_months import Months
from backend.history.elastic_names import Names, Place, month, month_span
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_past import Past
from backend.history.elastic_query import HAS_STATE, all_of, in_range

_PAGE = 500
"""Alarms whose last state is read in one request."""


class Retention:
    """Used by the one writer of a configuration."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions, indices: Indices, past: Past) -> None:
        self._client = client
        self._options = options
        self._indices = indices
        self._past = past
        self._names = Names(options.prefix)
        self._months = Months(client, options)

    async def delete_before(self, config: str, time: Nanos) -> int:
        """Delete the months before that of a time; returns how many events are gone."""
        kept = self._names.kept(config)
        there = await self._indices.list(config)
        old_months = [found for index in there if (found := self._names.month_of(config, index)) is not None and found < month(time)]
        if not old_months:
            return 0
        places = [self._names.of_month(config, found) for found in old_months]
        doomed = [place.index for place in places]
        old = [*doomed, kept.index] if kept.index in there else doomed
        before = await self._count(old)
        if kept.index not in there or not self._indices.known(kept):
            await self._indices.make(kept)
        was_kept = await self._kept(kept)
        keep = await self._copy_last_states(old, kept)
        if before > len(keep):
            await self._past.begin_at(config, month_span(time)[0])
        await self._drop(kept, [one for one in was_kept if one not in keep])
        await self._months.forget(config, old_months)
        for index in doomed:
            await self._indices.delete(index)
        self._indices.forget(places)
        return before - len(keep)

    async def bring_back(self, config: str, time: Nanos) -> None:
        """Move what is kept of the month of a time back into its index, which has just been made again."""
        kept, place = self._names.kept(config), self._names.place(config, time)
        if kept.index not in await self._indices.list(config):
            return
        await self._refresh([kept.index])
        body = {"query": all_of([in_range(*month_span(time))]), "sort": [{"epoch": "asc"}, {"n": "asc"}], "size": _PAGE}
        while hits := await self._hits(kept.index, body):
            await self._send([Operation(place.alias, hit["_id"], orjson.dumps(hit["_source"])) for hit in hits])
            await self._send([Operation(kept.alias, hit["_id"], None) for hit in hits])
            await self._refresh([kept.index])

    async def _copy_last_states(self, old: Sequence[str], kept: Place) -> set[str]:
        """Copy the last state of each alarm; returns the ids of their documents."""
        newest = {"top_hits": {"size": 1, "sort": [{"epoch": "desc"}, {"n": "desc"}]}}
        composite: dict[str, Any] = {"size": _PAGE, "sources": [{"path": {"terms": {"field": "path"}}}]}
        keep: set[str] = set()
        while True:
            aggs = {"paths": {"composite": composite, "aggs": {"newest": newest}}}
            with translated(self._options):
                answer = await self._client.search(index=list(old), query=all_of([HAS_STATE]), size=0, aggs=aggs)
            found = answer["aggregations"]["paths"]
            hits = [bucket["newest"]["hits"]["hits"][0] for bucket in found["buckets"]]
            await self._send([Operation(kept.alias, hit["_id"], orjson.dumps(hit["_source"])) for hit in hits])
            keep.update(hit["_id"] for hit in hits)
            if "after_key" not in found:
                break
            composite = composite | {"after": found["after_key"]}
        await self._refresh([kept.index])
        return keep

    async def _kept(self, kept: Place) -> list[str]:
        """The documents of kept states."""
        await self._refresh([kept.index])
        body: dict[str, Any] = {"query": {"match_all": {}}, "sort": [{"epoch": "asc"}, {"n": "asc"}], "size": _PAGE, "_source": False}
        found: list[str] = []
        while hits := await self._hits(kept.index, body):
            found += [hit["_id"] for hit in hits]
            body["search_after"] = hits[-1]["sort"]
        return found

    async def _drop(self, kept: Place, overtaken: Sequence[str]) -> None:
        """Delete kept states that later events have overtaken."""
        for at in range(0, len(overtaken), _PAGE):
            await self._send([Operation(kept.alias, one, None) for one in overtaken[at : at + _PAGE]])
        await self._refresh([kept.index])

    async def _count(self, indices: Sequence[str]) -> int:
        await self._refresh(indices)
        with translated(self._options):
            return int((await self._client.count(index=list(indices)))["count"])

    async def _hits(self, index: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        with translated(self._options):
            return list((await self._client.search(index=index, body=body))["hits"]["hits"])

    async def _refresh(self, indices: Sequence[str]) -> None:
        with translated(self._options):
            await self._client.indices.refresh(index=list(indices))

    async def _send(self, operations: Sequence[Operation]) -> None:
        outcome = await send(self._client, self._options, operations)
        if outcome.poisoned or outcome.homeless:
            why = outcome.poisoned[0][1] if outcome.poisoned else "the index is gone"
            raise HistoryError(f"{self._options.where}: last states cannot be kept ({why}), so nothing is deleted; it is tried again")
