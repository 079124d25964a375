"""Whether events that were stored make anything wrong that was made of those before them.

Mostly they do not, for they are newer than all that is stored: then it takes one request for the whole batch. Checkpoints and frontiers are
refreshed before their makers look at the events, so a search that does not find one comes before that look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from elasticsearch import AsyncElasticsearch

from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from backend.history.elastic_bulk import patiently
from backend.history.elastic_client import translated
from backend.history.elastic_names import Names
from backend.history.elastic_options import ElasticOptions
from backend.history.elastic_past import not_before
from backend.history.elastic_query import Clause, all_of, any_of
from backend.history.elastic_summaries import ends_beyond
from backend.history.summaries import Mark


@dataclass(frozen=True, slots=True)
class Begin:
    """Where the events of a configuration begin."""

    config: str
    time: Nanos
    """The smallest time."""
    first: Mark
    """The smallest id."""


def begins(events: Iterable[Event]) -> list[Begin]:
    """Where events begin, for each of their configurations."""
    by_config: dict[str, list[Event]] = {}
    for event in events:
        by_config.setdefault(event.id.config, []).append(event)
    return [Begin(config, min(event.time for event in some), min(event.id[1:] for event in some)) for config, some in by_config.items()]


async def is_anything_overtaken(client: AsyncElasticsearch, options: ElasticOptions, stored: Iterable[Begin]) -> bool:
    """True if there is a checkpoint or a summary that events which begin there may have made wrong."""
    names = Names(options.prefix)
    async for attempt in patiently(options):
        with attempt, translated(options):
            answer = await client.search(
                index=[names.past.index, names.summaries.index],
                ignore_unavailable=True,
                allow_partial_search_results=False,
                query=any_of([_made_after(begin) for begin in stored]),
                size=1,
                source=False,
                track_total_hits=False,
                filter_path=["hits.hits._id"],
            )
    return bool(answer.body)


def _made_after(begin: Begin) -> Clause:
    return all_of([{"term": {"config": begin.config}}, any_of([not_before(begin.time), ends_beyond(begin.first)])])
