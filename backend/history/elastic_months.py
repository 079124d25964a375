"""Which months a history has had: so it is known when one is gone that we have not deleted, by hand or by a life cycle of the server.

Of each configuration one document says so, beside the checkpoints. A month is noted after its index was made. It is *doubtful* from the
moment at which its index is to be made a second time, or at which what was worked out before from its events (checkpoints, summaries) is
given up while it is gone, until the journal was read again from before its begin to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from elasticsearch import AsyncElasticsearch

from alarm_engine.model.times import Nanos
from backend.history.elastic_indices import Indices
from backend.history.elastic_names import Names, month, span_of_month
from backend.history.elastic_note import Notes, Read
from backend.history.elastic_options import ElasticOptions

_MONTHS = "months"


class Gone(NamedTuple):
    """A month of which events are missing, or may be."""

    start: Nanos
    end: Nanos
    doubtful: bool
    """What is worked out from events is so without these; False: it is from when they were there."""


_Noted = dict[str, bool]
"""Whether a month (`2026.11`) is doubtful."""


class Months:
    """The months of one installation."""

    def __init__(self, client: AsyncElasticsearch, options: ElasticOptions) -> None:
        self._names = Names(options.prefix)
        self._notes = Notes(client, options, _MONTHS)
        self._indices = Indices(client, options)

    async def gone(self, config: str) -> list[Gone]:
        """Those of which events are missing, or may be, in order."""
        noted, there = _of(await self._notes.read(config)), await self._there(config)
        return [Gone(*span_of_month(one), noted[one]) for one in sorted(noted) if noted[one] or one not in there]

    async def to_be_made(self, config: str, time: Nanos) -> None:
        """The index of the month of a time is not there, as far as is known, and will be made."""
        one = month(time)
        if one not in await self._there(config):
            await self._change(config, lambda noted: noted | {one: True} if one in noted else noted)

    async def made(self, config: str) -> None:
        """It was made, or was there."""
        there = await self._there(config)
        await self._change(config, lambda noted: dict.fromkeys(sorted(there), False) | noted)

    async def given_up(self, config: str, time: Nanos) -> None:
        """What was worked out from events of that time or later is worked out anew."""
        there = await self._there(config)
        await self._change(
            config, lambda noted: {one: was or (one not in there and span_of_month(one)[1] > time) for one, was in noted.items()}
        )

    async def refilled(self, config: str, since: Nanos) -> None:
        """All events from that time on, or if it is 0 all that there ever were, have been written again."""
        there = await self._there(config)
        await self._change(
            config, lambda noted: {one: was and not (one in there and span_of_month(one)[0] >= since) for one, was in noted.items()}
        )

    async def forget(self, config: str, months: Collection[str]) -> None:
        """We delete these ourselves, and have kept of them what is needed later."""
        await self._change(config, lambda noted: {one: was for one, was in noted.items() if was or one not in months})

    async def _there(self, config: str) -> set[str]:
        return {found for index in await self._indices.list(config) if (found := self._names.month_of(config, index)) is not None}

    async def _change(self, config: str, change: Callable[[_Noted], _Noted]) -> None:
        while True:
            noted = _of(read := await self._notes.read(config))
            changed = change(noted)
            if changed == noted or await self._notes.replace(config, changed, read):
                return


def _of(read: Read) -> _Noted:
    noted: _Noted = read.content or {}
    return noted
