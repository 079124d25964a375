"""Questions about what was. Times are aware datetimes, timedeltas (that long ago) or texts: ISO 8601 with a zone, `now`, `2h` (ago)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tocsin.client.answers import convert, objects, renamed
from tocsin.client.asking import Several, When, parameters, pinned, utc_now, when, words
from tocsin.client.asynchronous.asker import AsyncAsker
from tocsin.client.asynchronous.paging import AsyncPages
from tocsin.client.pages import Page
from tocsin.client.types.events import Acknowledged, Event
from tocsin.client.types.live import Alarm
from tocsin.client.types.past import Difference, Intervals, PastAlarms, PastTree

MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _AcknowledgedPage:
    acknowledgements: tuple[Acknowledged, ...]
    next: str | None
    complete: bool | None = None
    remark: str = ""


class AsyncPastQuestions(AsyncAsker):
    """Questions about what was."""

    def events(
        self,
        path: str | None = None,
        *,
        config: str | None = None,
        start: When | None = None,
        end: When | None = None,
        pv: str | None = None,
        severity: Several | None = None,
        kind: Several | None = None,
        user: str | None = None,
        text: str | None = None,
        oldest_first: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> AsyncPages[Event]:
        """Events of a range of time, newest first, read page by page as they are taken; `complete` and `remark` say whether all is known.

        None is left out or comes twice while new ones arrive. Without `start` as far back as can be asked, without `end` until now. `pv`: a
        name with `*` and `?`. `severity` after the event, MAJOR includes MAJOR_ACK. `text`: a part of path, description, message or
        comment. `after`: id of the last event that you have.

        >>> [event.kind async for event in client.events("/Acc/Vacuum/GC1", start="2h", limit=10)]
        ['alarm']
        >>> [event.user async for event in client.events(kind=["acknowledged", "shelved"], oldest_first=True)]
        ['mara', 'jo']
        """
        now = utc_now()
        asked = parameters(
            path=path,
            config=self._config(config, path),
            start=pinned(start, "start", now),
            end=pinned(end, "end", now),
            pv=pv,
            severity=words(severity),
            kind=words(kind),
            user=user,
            q=text,
            order="oldest" if oldest_first else "newest",
        )

        async def page(size: int, cursor: str | None) -> Page[Event]:
            given = {**asked, "limit": size, **parameters(after=cursor)}
            found = objects((await self._connection.answer("GET", "api/v1/events", params=given)).content)
            events = [convert(Event, renamed(event)) for event in found.get("events", ())]
            return Page(rows=events, next=found.get("next"), complete=found.get("complete"), remark=found.get("remark", ""))

        return AsyncPages(page, limit, after)

    def acknowledgements(
        self,
        path: str | None = None,
        *,
        config: str | None = None,
        start: When | None = None,
        end: When | None = None,
        user: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> AsyncPages[Acknowledged]:
        """Who acknowledged what, and how soon; newest first, read page by page as they are taken.

        >>> [(one.pv, one.user) async for one in client.acknowledgements(start=timedelta(days=1))]
        [('P1', 'mara')]
        """
        now = utc_now()
        asked = parameters(
            path=path, config=self._config(config, path), start=pinned(start, "start", now), end=pinned(end, "end", now), user=user
        )

        async def page(size: int, cursor: str | None) -> Page[Acknowledged]:
            given = {**asked, "limit": size, **parameters(after=cursor)}
            found = await self._connection.get(_AcknowledgedPage, "history/acknowledgements", given)
            return Page(rows=found.acknowledgements, next=found.next, complete=found.complete, remark=found.remark)

        return AsyncPages(page, limit, after)

    async def intervals(self, paths: Several, *, start: When = "1d", end: When | None = None, limit: int | None = None) -> Intervals:
        """Alarms over a range of time, without gaps: an alarm, all alarms below a component, or several paths of one configuration.

        At most 1,000 alarms are in the answer; `cut` says whether there are more.

        >>> found = await client.intervals(["/Acc/Vacuum", "/Acc/RF"], start="1h")
        >>> [line.pv for line in found.alarms]
        ['GC1', 'GC2', 'GC10', 'P1']
        """
        asked = parameters(path=words(paths), start=when(start, "start"), end=when(end, "end"), limit=limit)
        return await self._connection.get(Intervals, "history/intervals", asked)

    async def at(
        self, moment: When, path: str | None = None, *, config: str | None = None, depth: int = 1, leaves: bool = False
    ) -> PastTree:
        """The tree as it was at a moment; `complete` and `remark` say whether all is known of it.

        >>> then = await client.at("now", "/Acc/Vacuum", leaves=True)
        >>> [(leaf.pv, leaf.severity) for leaf in then.root.leaves]
        [('GC1', 'MAJOR'), ('GC2', 'OK'), ('GC10', 'OK')]
        """
        asked = parameters(at=when(moment, "at"), path=path, config=self._config(config, path), depth=depth, leaves=leaves)
        return await self._connection.get(PastTree, "history/tree", asked)

    async def alarms_at(
        self,
        moment: When,
        path: str | None = None,
        *,
        config: str | None = None,
        state: Several | None = None,
        severity: Several | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> PastAlarms:
        """Alarms as they were at a moment, worst first, then newest; without `state` those that were active.

        >>> then = await client.alarms_at(datetime.now(UTC), state="standing")
        >>> [alarm.pv for alarm in then.alarms]
        ['GC1', 'P1', 'GC10']
        """
        asked = parameters(
            at=pinned(moment, "at", utc_now()) if limit is None or limit > MOST_ROWS else when(moment, "at"),
            path=path,
            config=self._config(config, path),
            state=words(state),
            severity=words(severity),
            q=text,
        )
        found: list[Alarm] = []
        while True:
            size = MOST_ROWS if limit is None else max(1, min(MOST_ROWS, limit - len(found)))
            page = await self._connection.get(PastAlarms, "history/alarms", {**asked, "limit": size, "offset": len(found)})
            found += page.alarms
            if not page.alarms or len(found) >= page.total or (limit is not None and len(found) >= limit):
                break
        known: dict[str, Any] = {name: getattr(page, name) for name in ("at", "as_of", "as_of_time", "complete", "remark", "total")}
        return PastAlarms(alarms=tuple(found), **known)

    async def difference(
        self, before: When, after: When = "now", path: str | None = None, *, config: str | None = None, limit: int | None = None
    ) -> Difference:
        """Alarms that are not at one moment as they were at another: changed, appeared, removed. At most 10,000; `cut`: there are more.

        >>> found = await client.difference("1h", "now", "/Acc/Vacuum")
        >>> [(one.pv, one.change) for one in found.changes]
        [('GC1', 'appeared'), ('GC10', 'appeared'), ('GC2', 'appeared')]
        """
        asked = parameters(
            from_=when(before, "from"),
            to=when(after, "to"),
            path=path,
            config=self._config(config, path),
            limit=MOST_ROWS if limit is None else limit,
        )
        return await self._connection.get(Difference, "history/difference", asked)
