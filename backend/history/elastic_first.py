"""The first event that a history has ever had, which stays noted when its index is gone.

A journal that was read again from its begin holds all there ever was only if it begins there. It may not: it deletes older events after
some time, and a topic may have been made anew.
"""

from __future__ import annotations

from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryError, HistoryUnavailable
from backend.history.elastic_client import translated
from backend.history.elastic_names import Names
from backend.history.elastic_note import Notes, Read
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_query import all_of, by_id
from backend.history.elastic_reader import Question
from backend.history.summaries import Mark

_FIRST = "first"


class Firsts:
    """The first event of each configuration of one installation, beside the checkpoints."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions) -> None:
        self._client = client
        self._options = options
        self._names = Names(options.prefix)
        self._notes = Notes(client, options, _FIRST)
        self._noted: dict[str, Mark] = {}

    async def note(self, config: str, first: Mark) -> None:
        """Events from that id on will be written. Noted before, for to believe in one that is not there claims nothing."""
        if config in self._noted and self._noted[config] <= first:
            return
        while True:
            noted = _mark(read := await self._notes.read(config))
            if noted is not None and noted <= first:
                break
            if noted is None:
                try:
                    stored = await self._stored(config)
                except HistoryUnavailable:
                    raise
                except HistoryError:
                    return  # an index is not ours, and has no such fields: the write that follows says so
                first = first if stored is None else min(first, stored)
            if await self._notes.replace(config, first, read):
                noted = first
                break
        self._noted[config] = noted

    async def are_all_from(self, config: str, first: Mark) -> bool:
        """True if no event before that id was ever written. Raises `HistoryError` if that cannot be told."""
        noted = _mark(await self._notes.read(config))
        if noted is None:
            noted = await self._stored(config)
        return noted is None or first <= noted

    async def _stored(self, config: str) -> Mark | None:
        """The first one that is there: of a history that was written before this was noted."""
        body = {"query": all_of([{"term": {"config": config}}]), "sort": by_id("asc"), "_source": False}
        with translated(self._options):  # what was written a moment ago, perhaps by another process, counts too
            await self._client.indices.refresh(index=self._names.events(config), ignore_unavailable=True)
        hits = await Question(self._client, self._options, self._names.events(config)).hits(body, 1)
        return (hits[0]["sort"][0], hits[0]["sort"][1]) if hits else None


def _mark(read: Read) -> Mark | None:
    return None if read.content is None else (read.content[0], read.content[1])
