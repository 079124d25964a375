"""The indices of a Phoebus alarm logger, read in the order of the time of their messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch

from alarm_engine.errors import HistoryUnavailable
from alarm_engine.model.times import Nanos, to_datetime
from backend.history.elastic_client import connect, translated
from backend.history.elastic_options import ElasticOptions

_ALIVE = "5m"
_KINDS = ("state", "cmd", "config")


@dataclass(frozen=True, slots=True)
class Document:
    """A document and where it stands."""

    index: str
    id: str
    source: dict[str, Any]


class LoggerIndices:
    """Documents of one configuration. Nothing is written."""

    def __init__(self, options: ElasticOptions, config: str) -> None:
        self._options = options
        # The logger writes names in lower case; `_alarms_state` alone, without a date, is a setting of it.
        self.patterns = [f"{config.lower()}_alarms_{kind}{end}" for kind in _KINDS for end in ("", "_*")]
        self.where = options.where
        self._client: AsyncElasticsearch | None = None

    async def start(self) -> None:
        """Connect."""
        self._client = connect(self._options)

    async def close(self) -> None:
        """Close."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def count(self, start: Nanos, end: Nanos) -> int:
        """Documents whose message came in that time, or that have no time."""
        with translated(self._options):
            answer = await self._opened().count(index=self.patterns, query=_between(start, end), ignore_unavailable=True)
        found: int = answer["count"]
        return found

    async def pages(self, start: Nanos, end: Nanos, size: int) -> AsyncGenerator[Sequence[Document]]:
        """All of them in the order of `message_time`, those without one at the end."""
        client = self._opened()
        with translated(self._options):
            if not await client.indices.get_settings(index=self.patterns, ignore_unavailable=True, name="index.number_of_shards"):
                return
            point = await client.open_point_in_time(index=self.patterns, keep_alive=_ALIVE, ignore_unavailable=True)
        pit = point["id"]
        try:
            after: list[Any] | None = None
            while True:
                with translated(self._options):
                    answer = await client.search(
                        pit={"id": pit, "keep_alive": _ALIVE},
                        query=_between(start, end),
                        sort=[{"message_time": {"order": "asc", "unmapped_type": "date"}}, {"_shard_doc": "asc"}],
                        size=size,
                        search_after=after,
                        track_total_hits=False,
                        allow_partial_search_results=False,
                    )
                pit = answer.get("pit_id", pit)
                hits = answer["hits"]["hits"]
                if not hits:
                    return
                after = hits[-1]["sort"]
                yield [Document(hit["_index"], hit["_id"], hit["_source"]) for hit in hits]
        finally:
            try:
                with translated(self._options):
                    await client.close_point_in_time(id=pit)
            except HistoryUnavailable:
                pass  # it ends by itself

    def _opened(self) -> AsyncElasticsearch:
        if self._client is None:
            raise HistoryUnavailable(f"{self._options.where} is not open")
        return self._client


def _between(start: Nanos, end: Nanos) -> dict[str, Any]:
    span = {"gte": _text(start), "lt": _text(end), "format": "yyyy-MM-dd HH:mm:ss.SSS"}
    timeless = {"bool": {"must_not": [{"exists": {"field": "message_time"}}]}}
    return {"bool": {"should": [{"range": {"message_time": span}}, timeless], "minimum_should_match": 1}}


def _text(time: Nanos) -> str:
    moment = to_datetime(time)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
