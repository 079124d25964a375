"""The first event that a history has ever had, which stays noted when its index is gone.

A journal that was read again from its begin holds all there ever was only if it begins there. It may not: it deletes older events after
some time, and a topic may have been made anew.
"""

from __future__ import annotations

import base64
from typing import Any

import orjson
from elasticsearch import AsyncElasticsearch, ConflictError, NotFoundError

from alarm_engine.errors import HistoryError, HistoryUnavailable
from backend.history.elastic_client import translated
from backend.history.elastic_documents import document_id
from backend.history.elastic_indices import make_index
from backend.history.elastic_mapping import PAST_FIELDS
from backend.history.elastic_names import Names
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
        self._noted: dict[str, Mark] = {}

    async def note(self, config: str, first: Mark) -> None:
        """Events from that id on will be written. Noted before, for to believe in one that is not there claims nothing."""
        if config in self._noted and self._noted[config] <= first:
            return
        while True:
            noted, version = await self._read(config)
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
            if await self._replace(config, first, version):
                noted = first
                break
        self._noted[config] = noted

    async def are_all_from(self, config: str, first: Mark) -> bool:
        """True if no event before that id was ever written. Raises `HistoryError` if that cannot be told."""
        noted, _ = await self._read(config)
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

    async def _read(self, config: str) -> tuple[Mark | None, dict[str, Any]]:
        """With the condition that it is still so."""
        try:
            with translated(self._options):
                answer = await self._client.get(index=self._names.past.index, id=_key(config))
        except HistoryError as problem:
            if not isinstance(problem.__cause__, NotFoundError):
                raise
            return None, {"op_type": "create"}
        epoch, n = orjson.loads(base64.b64decode(answer["_source"]["states"]))
        return (epoch, n), {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}

    async def _replace(self, config: str, first: Mark, version: dict[str, Any]) -> bool:
        """False if somebody else was quicker."""
        await make_index(self._client, self._options, self._names.past, PAST_FIELDS)
        document = {"config": config, "kind": _FIRST, "time": 0, "states": base64.b64encode(orjson.dumps(first)).decode()}
        try:
            with translated(self._options):
                await self._client.index(index=self._names.past.alias, id=_key(config), document=document, require_alias=True, **version)
        except HistoryError as problem:
            if not isinstance(problem.__cause__, ConflictError):
                raise
            return False
        return True


def _key(config: str) -> str:
    return document_id(f"{config}.{_FIRST}")
