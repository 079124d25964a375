"""Questions about how well the alarms serve."""

from __future__ import annotations

from datetime import timedelta

from tocsin.client.asking import When, parameters, seconds, when
from tocsin.client.synchronous.asker import Asker
from tocsin.client.types.figures import Counts, Figures, Top
from tocsin.client.types.tuning import WhatIf


class FigureQuestions(Asker):
    """Questions about how well the alarms serve."""

    def figures(
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

        >>> figures = client.figures(start="1h")
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
        return self._connection.get(Figures, "figures", asked)

    def counts(
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

        >>> counts = client.counts(start="1h", bucket="10m", by="system")
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
        return self._connection.get(Counts, "counts", asked)

    def top(self, path: str | None = None, *, config: str | None = None, start: When = "30d", end: When = "now", limit: int = 10) -> Top:
        """Alarms that rose most often, most first.

        >>> sorted(one.pv for one in (client.top(start="7d")).alarms)
        ['GC1', 'P1']
        """
        asked = parameters(path=path, config=self._config(config, path), start=when(start, "start"), end=when(end, "end"), limit=limit)
        return self._connection.get(Top, "top", asked)

    def what_if(
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

        >>> answer = client.what_if("/Acc/Vacuum/GC1", start="1h", delay_s=10)
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
        return self._connection.get(WhatIf, "history/what-if", asked)
