"""Hits and groups, page by page, within the time that one question may take.

A single page is one search, and mostly enough. More pages are read at one point in time, so that what is written or deleted meanwhile
does not shift them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryUnavailable, QueryTooLarge
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.elastic_client import translated
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_query import Clause, all_of, among, before, beyond, by_id, groups

HITS_A_PAGE = 2_000
"""Hits of one request: some megabytes, which are decoded in milliseconds. The loop goes on between pages."""
MOST_GROUPS = 200_000
"""Most bars times labels, or alarms, of one count."""
PATHS_AT_ONCE = 2_000
"""Paths of one request."""
FEW_PATHS = 200
"""Up to so many paths, all of their events are looked at at once."""
_FIRST_DAYS = (7, 60)
_DAY_NS = 86_400 * NANOS_PER_SECOND
_ALIVE = "1m"
_HITS = ("timed_out", "pit_id", "hits.hits._id", "hits.hits._source", "hits.hits.sort", "hits.hits.fields")
_GROUPS = ("timed_out", "aggregations")

Hit = Mapping[str, Any]


class Question:
    """One question: its searches together take no longer than `longest_query_s`."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions, pattern: str) -> None:
        self._client = client
        self._options = options
        self._pattern = pattern
        self._end = asyncio.get_running_loop().time() + options.longest_query_s

    async def hits(self, body: Clause, most: int, a_page: int | None = None) -> list[Hit]:
        """Hits in the order of `body["sort"]`, no more than `most`; `a_page` of them in one request, where they are small."""
        a_page = a_page or HITS_A_PAGE
        only = await self._page(body | {"size": min(most, a_page)}, self._pattern)
        if most <= a_page or len(only) < a_page:
            return only
        found: list[Hit] = []
        async with self._point_in_time() as point:
            after: Clause = {}
            while len(found) < most:
                size = min(most - len(found), a_page)
                page = await self._page(body | point | after | {"size": size}, None)
                found += page
                if len(page) < size:
                    break
                after = {"search_after": page[-1]["sort"]}
        return found

    async def newest(self, paths: Sequence[str], time: Nanos, clauses: Sequence[Clause], fields: Clause) -> list[Hit]:
        """For each path the hit before a time that has the greatest id; `fields` says what of it.

        For many paths the newest events are looked at first: most alarms are found there, and the few events of the others soon are.
        Cut is by id, at the greatest one that is older than some days, so that a clock that ran back changes nothing.
        """
        left = list(dict.fromkeys(paths))
        found: list[Hit] = []
        older: list[Clause] = []
        for days in _FIRST_DAYS if len(left) > FEW_PATHS else ():
            body = {"query": all_of([before(Nanos(time - days * _DAY_NS))]), "sort": by_id("desc"), "_source": False}
            edge = await self._page(body | {"size": 1}, self._pattern)
            if not edge:
                break
            epoch, n = edge[0]["sort"][:2]
            found += (hits := await self._collapsed(left, [before(time), *clauses, *older, beyond(epoch, n, "gt")], fields))
            left = sorted(set(left).difference(hit["fields"]["path"][0] for hit in hits))
            older = [beyond(epoch, n + 1, "lt")]
        return found + await self._collapsed(left, [before(time), *clauses, *older], fields)

    async def newest_of_all(self, body: Clause, most: int, most_counted: int) -> tuple[list[Hit], int]:
        """For each path the first hit in the order of `body["sort"]`, no more than `most`; and how many hits there are in all.

        Who gets `most` may have missed some: a collapse has no second page.
        """
        only = {"collapse": {"field": "path"}, "size": most, "track_total_hits": most_counted}
        answer = await self._search(body | only, self._pattern, (*_HITS, "hits.total.value"))
        found = answer.get("hits", {})
        return found.get("hits", []), found.get("total", {}).get("value", 0)

    async def _collapsed(self, paths: Sequence[str], clauses: Sequence[Clause], fields: Clause) -> list[Hit]:
        """The newest hit of each path. A collapse is exact over several indices."""
        found: list[Hit] = []
        for at in range(0, len(paths), PATHS_AT_ONCE):
            some = paths[at : at + PATHS_AT_ONCE]
            body = {"query": all_of([among(some), *clauses]), "sort": by_id("desc"), "collapse": {"field": "path"}, "size": len(some)}
            found += await self._page(body | {"docvalue_fields": ["path"]} | fields, self._pattern)
        return found

    async def groups(self, sources: Sequence[Clause], query: Clause) -> list[Hit]:
        """Groups with their counts, `QueryTooLarge` for more than `MOST_GROUPS`.

        What arrives between two pages may be counted in a later group and not in one read before.
        """
        found: list[Hit] = []
        after: Clause | None = None
        while True:
            answer = await self._search(groups(sources, query, after), self._pattern, _GROUPS)
            page = answer.get("aggregations", {}).get("groups", {})
            found += page.get("buckets", [])
            if len(found) > MOST_GROUPS:
                raise QueryTooLarge(f"the answer has more than {MOST_GROUPS} groups: ask for a shorter range, or for a part of the tree")
            after = page.get("after_key")
            if after is None:
                return found

    async def _page(self, body: Clause, pattern: str | None) -> list[Hit]:
        answer = await self._search(body | {"track_total_hits": False}, pattern, _HITS)
        hits: list[Hit] = answer.get("hits", {}).get("hits", [])
        return hits

    async def _search(self, body: Clause, pattern: str | None, wanted: Sequence[str]) -> Mapping[str, Any]:
        left_s = self._end - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise self._too_long()
        target: dict[str, Any] = {} if pattern is None else {"index": pattern}
        limited = body | {"timeout": f"{max(1, int(left_s * 1000))}ms"}
        with translated(self._options):
            # What a shard cannot answer is an error, never a shorter answer; at a point in time too, whose index may be deleted since.
            answer = await self._client.search(**target, body=limited, filter_path=list(wanted), allow_partial_search_results=False)
        if answer.get("timed_out"):
            raise self._too_long()
        return answer.body if isinstance(answer.body, Mapping) else {}

    def _too_long(self) -> QueryTooLarge:
        limit = f"{self._options.longest_query_s:g} s"
        return QueryTooLarge(f"the answer of {self._options.where} took longer than {limit}: ask for a shorter range or for fewer alarms")

    @asynccontextmanager
    async def _point_in_time(self) -> AsyncIterator[Clause]:
        with translated(self._options):
            opened = await self._client.open_point_in_time(index=self._pattern, keep_alive=_ALIVE, allow_partial_search_results=False)
        try:
            yield {"pit": {"id": opened["id"], "keep_alive": _ALIVE}}
        finally:
            try:
                with translated(self._options):
                    await self._client.close_point_in_time(id=opened["id"])
            except HistoryUnavailable:
                pass  # it ends by itself
