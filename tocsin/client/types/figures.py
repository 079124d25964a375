"""Answers about alarm performance, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer
from tocsin.client.types.names import Verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Target(Answer):
    """Up to where a figure is good, and up to where it can be borne.

    >>> client.figures(start="1h")["per_day"].target.text
    'at most 144, 288 can be managed'
    """

    good: float
    bearable: float
    text: str
    """In words."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Figure(Answer):
    """One figure.

    >>> figure = client.figures(start="1h")["per_day"]
    >>> figure.title, figure.unit
    ('Annunciated per day', 'alarms')
    """

    name: str
    title: str
    value: float | None
    """None: not known."""
    unit: str
    target: Target | None
    verdict: Verdict
    text: str
    """A sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FirstAlarm(Answer):
    """One of the alarms that a flood began with.

    >>> [first.path for flood in client.figures().floods for first in flood.first]
    []
    """

    path: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Flood(Answer):
    """More alarms than a person can answer: from a period of 10 minutes with more than 10 until one with fewer than 5.

    >>> [(flood.start, flood.size) for flood in client.figures().floods]
    []
    """

    start: datetime
    end: datetime
    ongoing: bool
    size: int
    """Alarms in all."""
    peak: int
    """Most in one period."""
    peak_at: datetime
    """Begin of that period."""
    first: tuple[FirstAlarm, ...]
    """In the order in which they came; the cause is often among them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Frequent(Answer):
    """How often an alarm was annunciated.

    >>> sorted(one.path for one in client.figures(start="1h").frequent)
    ['/Acc/RF/Cavity/P1', '/Acc/Vacuum/GC1']
    """

    path: str
    number: int
    share: float
    """Percent of all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Repeated(Answer):
    """What an alarm did several times.

    >>> [(one.path, one.number) for one in client.figures(start="1h").chattering]
    []
    """

    path: str
    number: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Span(Answer):
    """From when to when an alarm was so.

    >>> [one.path for one in client.figures(start="1h").shelved]
    ['/Acc/Vacuum/GC10']
    """

    path: str
    since: datetime
    until: datetime | None
    """Of a stale alarm None while it stands; of a shelved one the end of shelving."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Period(Answer):
    """Annunciations in 10 minutes.

    >>> sum(period.count for period in client.figures(start="1h").periods)
    2
    """

    start: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Level(Answer):
    """How many alarms were so, until the next point.

    >>> client.figures(start="1h").over_time[-1].shelved
    1
    """

    time: datetime
    stale: int
    shelved: int
    out_of_service: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Figures(Answer):
    """Figures of alarm performance of a range, and the lists behind them.

    >>> figures = client.figures(start="7d")
    >>> figures["per_day"].title, figures.path
    ('Annunciated per day', '/')
    """

    config: str
    path: str
    """`/`: the whole configuration."""
    start: datetime
    """Of the range, widened to full 10 minutes."""
    end: datetime
    complete_from: datetime | None
    """From when on the history is known; None: nothing of the range is."""
    complete_until: datetime | None
    remarks: tuple[str, ...]
    """What has to be known to read the figures."""
    figures: tuple[Figure, ...]
    periods: tuple[Period, ...]
    """Annunciations per 10 minutes; periods without any are left out."""
    floods: tuple[Flood, ...]
    frequent: tuple[Frequent, ...]
    """The ten most frequent."""
    chattering: tuple[Repeated, ...]
    fleeting: tuple[Repeated, ...]
    stale: tuple[Span, ...]
    shelved: tuple[Span, ...]
    """At the end of the range."""
    out_of_service: tuple[Span, ...]
    """At the end of the range."""
    over_time: tuple[Level, ...]

    def __getitem__(self, name: str) -> Figure:
        """The figure of that name; raises `KeyError`."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(f"there is no figure {name!r}; there are: {', '.join(figure.name for figure in self.figures)}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Bucket(Answer):
    """Number of events in a span of time.

    >>> counts = client.counts(start="1h", bucket="10m")
    >>> sum(bucket.counts.get("MAJOR", 0) for bucket in counts.buckets)
    1
    """

    start: datetime
    counts: dict[str, int]
    """By label; labels without any are left out."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Counts(Answer):
    """Counts per bucket, empty ones included.

    >>> counts = client.counts(start="1h", bucket=timedelta(minutes=10), by="system")
    >>> counts.bucket_s, counts.by
    (600, 'system')
    """

    config: str
    bucket_s: int
    by: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MostFrequent(Answer):
    """How often an alarm rose.

    >>> sorted((one.pv, one.count) for one in client.top().alarms)
    [('GC1', 1), ('P1', 1)]
    """

    path: str
    pv: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Top(Answer):
    """Alarms that rose most often, most first.

    >>> len(client.top(limit=1).alarms)
    1
    """

    config: str
    alarms: tuple[MostFrequent, ...]
