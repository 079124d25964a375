"""Questions about what is now."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.client.answers import convert, objects, read
from tocsin.client.asking import Several, escaped, parameters, words
from tocsin.client.asynchronous.asker import AsyncAsker
from tocsin.client.ordering import in_order, is_known
from tocsin.client.types.files import TreeFiles
from tocsin.client.types.live import Alarm, AlarmDetail, AlarmList, Configuration, Readiness, Summary, Tree
from tocsin.client.types.trust import Live

MOST_ROWS = 10_000
"""Rows of a page at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _AlarmPage(Live):
    total: int
    alarms: tuple[Alarm, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Configurations:
    configurations: tuple[Configuration, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    files: tuple[TreeFiles, ...]


class AsyncLiveQuestions(AsyncAsker):
    """Questions about what is now."""

    async def ready(self) -> Readiness:
        """Whether the server has read the journal and reaches the history, and what is missing if not.

        >>> (await client.ready()).ready
        True
        """
        answer = await self._connection.answer("GET", "readyz", also=(503,))
        return read(Readiness, answer.content)

    async def configurations(self) -> tuple[Configuration, ...]:
        """All alarm trees of the server, each with its worst severity.

        >>> [one.name for one in await client.configurations()]
        ['Acc']
        """
        return (await self._connection.get(_Configurations, "configurations")).configurations

    async def alarms(
        self,
        path: str | None = None,
        *,
        config: str | None = None,
        state: Several | None = None,
        severity: Several | None = None,
        acknowledged: bool | None = None,
        text: str | None = None,
        sort: str = "severity",
        limit: int | None = None,
    ) -> AlarmList:
        """Alarms as they are now, without parameters the active ones, worst first.

        `path` is an alarm or a component. `state`: `active`, `acknowledged`, `shelved`, `disabled`, `ok`, `unknown`, `standing` (in alarm
        or suppressed) or `all`. `severity`: MAJOR includes MAJOR_ACK. `text`: words that must all be in path, description, message or
        value. `sort`: `severity`, `time`, `path`, `pv`, `where`, `description`, `message`, `value`, `current`, `by`, `until`, with a `-`
        before it the other way round. All alarms that pass are in the list unless there is a `limit`.

        >>> found = await client.alarms()
        >>> [(alarm.severity, alarm.path) for alarm in found.alarms]
        [('MAJOR', '/Acc/Vacuum/GC1')]
        >>> found = await client.alarms("/Acc/Vacuum", state=["active", "shelved"], sort="pv")
        >>> [alarm.pv for alarm in found.alarms]
        ['GC1', 'GC10']
        """
        asked = parameters(
            path=path,
            config=self._config(config, path),
            state=words(state),
            severity=words(severity),
            acknowledged=acknowledged,
            q=text,
        )
        size = MOST_ROWS if limit is None else min(limit, MOST_ROWS)
        page = await self._connection.get(_AlarmPage, "alarms", {**asked, "sort": sort, "limit": size})
        if page.next is None or (limit is not None and limit <= MOST_ROWS):
            return _list(page, page.alarms)
        return await self._all_alarms(asked, sort, limit)

    async def _all_alarms(self, asked: dict[str, str | int | float | bool | list[str]], sort: str, limit: int | None) -> AlarmList:
        """More than a page. They are read by path, which no alarm changes meanwhile: by severity one could slip by between two pages.

        An order that only the server knows is taken from it.
        """
        order = "path" if is_known(sort) else sort
        pages: list[_AlarmPage] = []
        after: str | None = None
        while not pages or after is not None:
            page = await self._connection.get(_AlarmPage, "alarms", {**asked, "sort": order, "limit": MOST_ROWS, **parameters(after=after)})
            pages.append(page)
            after = page.next
        alarms = [alarm for page in pages for alarm in page.alarms]
        if is_known(sort):
            alarms = in_order(alarms, sort)
        worst = max(pages, key=lambda page: (page.stale, page.age_s is None, page.age_s or 0.0))
        first = pages[0]  # what all pages have, and nothing that only a later one has
        trust = _AlarmPage(
            as_of=first.as_of, age_s=worst.age_s, stale=worst.stale, total=max(page.total for page in pages), alarms=(), next=None
        )
        return _list(trust, tuple(alarms[:limit]))

    async def alarm(self, path: str) -> AlarmDetail:
        """One alarm with its settings and guidance, also that of the components above. Raises `NotFound`.

        >>> alarm = await client.alarm("/Acc/Vacuum/GC1")
        >>> alarm.settings.guidance[0].details
        'Call **4411**'
        """
        found = objects((await self._connection.answer("GET", f"api/v1/alarms{escaped(path)}")).content)
        return convert(AlarmDetail, {**found.pop("alarm", {}), **found})

    async def tree(self, path: str | None = None, *, config: str | None = None, depth: int = 1, leaves: bool = False) -> Tree:
        """Components from `path` (default: the root) down to a depth, with severity and counts; `leaves`: with their alarms.

        >>> tree = await client.tree("/Acc/Vacuum", leaves=True)
        >>> tree.root.severity, [leaf.pv for leaf in tree.root.leaves]
        ('MAJOR', ['GC1', 'GC2', 'GC10'])
        """
        asked = parameters(path=path, config=self._config(config, path), depth=depth, leaves=leaves)
        return await self._connection.get(Tree, "tree", asked)

    async def summary(self, *, config: str | None = None) -> Summary:
        """Counts for each subsystem.

        >>> summary = await client.summary()
        >>> {one.system: one.active for one in summary.systems}
        {'RF': 0, 'Vacuum': 1, '': 0}
        """
        return await self._connection.get(Summary, "summary", parameters(config=self._config(config)))

    async def files(self, *, config: str | None = None) -> tuple[TreeFiles, ...]:
        """Where the alarm trees come from: commit, faults of newer files, and what others edited.

        >>> [one.state for one in await client.files()]
        ['unknown']
        """
        return (await self._connection.get(_Files, "files", parameters(config=self._config(config)))).files


def _list(page: _AlarmPage, alarms: tuple[Alarm, ...]) -> AlarmList:
    return AlarmList(as_of=page.as_of, age_s=page.age_s, stale=page.stale, total=page.total, alarms=alarms)
