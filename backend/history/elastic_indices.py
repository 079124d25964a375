"""Indices: made when first needed, checked, found, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError

from alarm_engine.errors import HistoryError
from alarm_engine.model.times import NANOS_PER_MS, Nanos
from backend.history.elastic_client import translated
from backend.history.elastic_mapping import DEAD_FIELDS, EVENT_FIELDS, conflicts, mappings, settings, template
from backend.history.elastic_names import Names, Place
from backend.history.elastic_options import ElasticOptions

_NO_ILM = (400, 404, 405)
"""What a server without index life cycle management answers."""

log = structlog.get_logger()


class Indices:
    """Makes and checks the indices of one installation. Where several do so at once, one makes it and the others find it."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions) -> None:
        self._client = client
        self._options = options
        self._names = Names(options.prefix)
        self._ready: set[Place] = set()

    def known(self, place: Place) -> bool:
        """It was there when this store last looked."""
        return place in self._ready

    def forget(self, places: Sequence[Place]) -> None:
        """They turned out not to be there."""
        self._ready.difference_update(places)

    async def check(self) -> None:
        """Raise `HistoryError` if an index of ours has other fields than we need: it names all that is wrong."""
        with translated(self._options):
            found = await self._client.indices.get_mapping(index=[self._names.all_events, self._names.all_dead])
        self._compare(found.body)

    async def make(self, place: Place, month_end: Nanos | None = None, *, events: bool = True) -> None:
        """Make an index with its alias, and the template for it; raises `HistoryError` if there is one that does not fit."""
        own_settings = settings(self._options, events=events)
        if month_end is not None and await self._has_ilm():
            # Not in the template: it would delete what is kept, too, and count from the making of an index, not from the end of its month.
            own_settings["index"]["lifecycle"] = {"name": self._names.policy, "origination_date": month_end // NANOS_PER_MS}
        with translated(self._options):
            # For whoever restores or copies an index. We do not rely on it: everything is given again below.
            name = self._names.template if events else self._names.dead_template
            await self._client.indices.put_index_template(name=name, **template(self._options, events=events))
            try:
                await self._client.indices.create(
                    index=place.index,
                    aliases={place.alias: {}},
                    settings=own_settings,
                    mappings=mappings(EVENT_FIELDS if events else DEAD_FIELDS),
                )
            except BadRequestError as problem:
                if problem.error != "resource_already_exists_exception":
                    raise
                await self._adopt(place)
        self._ready.add(place)

    async def compare(self, places: Sequence[Place]) -> None:
        """Raise `HistoryError` if one of these has other fields than we need."""
        with translated(self._options):
            found = await self._client.indices.get_mapping(index=[place.index for place in places], ignore_unavailable=True)
        self._compare(found.body)

    async def list(self, config: str) -> list[str]:
        """The indices with events of a configuration."""
        with translated(self._options):
            found = await self._client.indices.get_settings(index=self._names.events(config), name="index.number_of_shards")
        return sorted(found)

    async def delete(self, index: str) -> None:
        """Delete an index by its full name; one that is gone already is as good."""
        with translated(self._options):
            await self._client.indices.delete(index=index, ignore_unavailable=True)

    async def _adopt(self, place: Place) -> None:
        """An index that is there: made by another writer just now, restored, or made by the server itself. Checked, and given our alias."""
        await self.compare([place])
        await self._client.indices.put_alias(index=place.index, name=place.alias)

    async def _has_ilm(self) -> bool:
        """Put our policy, if one is wanted and the server can keep it."""
        days = self._options.ilm_delete_days
        if days is None:
            return False
        policy = {"phases": {"delete": {"min_age": f"{days}d", "actions": {"delete": {}}}}}
        try:
            with translated(self._options):
                await self._client.ilm.put_lifecycle(name=self._names.policy, policy=policy)
        except HistoryError as problem:
            if isinstance(problem.__cause__, ApiError) and problem.__cause__.status_code in _NO_ILM:
                log.warning("the server has no index life cycle management, only our own retention deletes", store=self._options.where)
                return False
            raise
        return True

    def _compare(self, found: Mapping[str, Any]) -> None:
        problems = []
        for index, body in sorted(found.items()):
            fields = DEAD_FIELDS if index.startswith(self._names.all_dead.removesuffix("*")) else EVENT_FIELDS
            problems += [f"index {index}: {problem}" for problem in conflicts(body.get("mappings", {}), fields)]
        if problems:
            raise HistoryError(
                f"{self._options.where} has indices whose mapping is not ours ({'; '.join(problems[:5])}):"
                " delete or reindex them, or give another prefix; until then events wait in the journal"
            )


async def make_index(client: AsyncElasticsearch, options: ElasticOptions, place: Place, fields: Mapping[str, Any]) -> None:
    """Make an index of its own kind with its alias, unless it is there."""
    with translated(options):
        if await client.indices.exists_alias(index=place.index, name=place.alias):
            return
        try:
            await client.indices.create(
                index=place.index, aliases={place.alias: {}}, settings=settings(options, events=False), mappings=mappings(fields)
            )
        except BadRequestError as problem:
            if problem.error != "resource_already_exists_exception":
                raise
            await client.indices.put_alias(index=place.index, name=place.alias)
