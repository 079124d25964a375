"""What is noted of a configuration beside its checkpoints: one document for each kind of note, replaced only by who has read it."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson
from elasticsearch import AsyncElasticsearch, ConflictError, NotFoundError

from alarm_engine.errors import HistoryError
from backend.history.elastic_client import translated
from backend.history.elastic_documents import document_id
from backend.history.elastic_indices import make_index
from backend.history.elastic_mapping import PAST_FIELDS
from backend.history.elastic_names import Names
from backend.history.elastic_options import ElasticOptions


class Read(NamedTuple):
    """A note as it was read."""

    content: Any
    """None: there is none."""
    unchanged: dict[str, Any]
    """The condition that it is still so, as Elasticsearch wants it."""


class Notes:
    """All notes of one kind of one installation."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions, kind: str) -> None:
        self._client = client
        self._options = options
        self._names = Names(options.prefix)
        self._kind = kind

    async def read(self, config: str) -> Read:
        """The note of a configuration. Raises `HistoryError`."""
        try:
            with translated(self._options):
                answer = await self._client.get(index=self._names.past.index, id=self._id(config))
        except HistoryError as problem:
            if not isinstance(problem.__cause__, NotFoundError):
                raise
            return Read(None, {"op_type": "create"})
        content = orjson.loads(base64.b64decode(answer["_source"]["states"]))
        return Read(content, {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]})

    async def replace(self, config: str, content: object, read: Read) -> bool:
        """Write another content, of what JSON has; False if somebody else was quicker. Raises `HistoryError`."""
        await make_index(self._client, self._options, self._names.past, PAST_FIELDS)
        document = {"config": config, "kind": self._kind, "time": 0, "states": base64.b64encode(orjson.dumps(content)).decode()}
        try:
            with translated(self._options):
                await self._client.index(
                    index=self._names.past.alias, id=self._id(config), document=document, require_alias=True, **read.unchanged
                )
        except HistoryError as problem:
            if not isinstance(problem.__cause__, ConflictError):
                raise
            return False
        return True

    def _id(self, config: str) -> str:
        return document_id(f"{config}.{self._kind}")
