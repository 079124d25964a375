"""Questions about how well the alarms serve."""

from __future__ import annotations

from datetime import timedelta

from tocsin.client.asking import When, parameters, seconds, when
from tocsin.client.asynchronous.asker import AsyncAsker
from tocsin.client.types.figures import Counts, Figures, Top
from tocsin.client.types.tuning import WhatIf


class AsyncFigureQuestions(AsyncAsker):
    """Questions about how well the alarms serve."""

    async def figures(
        self,
        path: str | None = None,
        *,
        config: str | None = None,
        start: When = "30d",
        end: When = "now",
        lost_connections: bool = False,
    ) -> Figures:
        """Figures of ISA-18.2 / IEC 62682 with target and verdict, and the lists behind them.

        `lost_connections`: count these among the alarms; else they are counted apart. What is not known is in no figure: `complete_from`
        and `complete_until` say how much of the range is.

        >>> figures = await client.figures(start="1h")
        >>> figures["per_day"].unit, figures["per_day"].target.good
        ('alarms', 144.0)
        """
        asked = parameters(
            path=path,
            config=self._config(config, path),
            start=when(start, "start"),
            end=when(end, "end"),
            lost_connections=lost_connections,
        )
        return await self._connection.get(Figures, "figures", asked)

    async def counts(
        self,
        path: str | None = None,
        *,
        config: str | None = None,
        start: When = "1d",
        end: When = "now",
        bucket: timedelta | float | str = "10m",
        by: str = "severity",
    ) -> Counts:
        """Alarms that rose per bucket of time, by `severity` or `system`; or events of every kind, by `kind`.

        >>> counts = await client.counts(start="1h", bucket="10m", by="system")
        >>> sum(bucket.counts.get("Vacuum", 0) for bucket in counts.buckets)
        1
        """
        asked = parameters(
            path=path,
            config=self._config(config, path),
            start=when(start, "start"),
            end=when(end, "end"),
            bucket=seconds(bucket),
            by=by,
        )
        return await self._connection.get(Counts, "counts", asked)

    async def top(
        self, path: str | None = None, *, config: str | None = None, start: When = "30d", end: When = "now", limit: int = 10
    ) -> Top:
        """Alarms that rose most often, most first.

        >>> sorted(one.pv for one in (await client.top(start="7d")).alarms)
        ['GC1', 'P1']
        """
        asked = parameters(path=path, config=self._config(config, path), start=when(start, "start"), end=when(end, "end"), limit=limit)
        return await self._connection.get(Top, "top", asked)

    async def what_if(
        self,
        path: str,
        *,
        start: When = "30d",
        end: When = "now",
        delay_s: int | None = None,
        count: int | None = None,
        latching: bool | None = None,
        annunciating: bool | None = None,
    ) -> WhatIf:
        """What other settings of an alarm would have made of what is recorded; without any: the smallest change that quiets it.

        >>> answer = await client.what_if("/Acc/Vacuum/GC1", start="1h", delay_s=10)
        >>> answer.trials[0].settings.delay_s
        10
        """
        asked = parameters(
            path=path,
            start=when(start, "start"),
            end=when(end, "end"),
            delay_s=delay_s,
            count=count,
            latching=latching,
            annunciating=annunciating,
        )
        return await self._connection.get(WhatIf, "history/what-if", asked)
