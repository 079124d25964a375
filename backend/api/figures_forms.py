"""Forms of the answers about alarm performance and counts."""

from __future__ import annotations

from pydantic import Field

from backend.api.forms import Form
from backend.kpi.targets import Verdict

_TIME = "ISO 8601 in UTC."


class TargetForm(Form):
    """Up to where a figure is good, and up to where it can be borne."""

    good: float
    bearable: float
    text: str = Field(description="In words.")
    source: str


class FigureForm(Form):
    """One figure."""

    name: str
    title: str
    value: float | None = Field(description="Null: not known.")
    unit: str
    target: TargetForm | None
    verdict: Verdict = Field(description="`none`: there is no target, or too little is known to judge.")
    text: str = Field(description="A sentence for people.")


class FirstAlarmForm(Form):
    """One of the alarms that a flood began with."""

    path: str
    time: str = Field(description=_TIME)


class FloodForm(Form):
    """More alarms than a person can answer: from a period of 10 minutes with more than 10 until one with fewer than 5."""

    start: str = Field(description=_TIME)
    end: str = Field(description=_TIME)
    ongoing: bool
    size: int = Field(description="Alarms in all.")
    peak: int = Field(description="Most in one period.")
    peak_at: str = Field(description="Begin of that period.")
    first: list[FirstAlarmForm] = Field(description="In the order in which they came; the cause is often among them.")


class FrequentForm(Form):
    """How often an alarm was annunciated."""

    path: str
    number: int
    share: float = Field(description="Percent of all.")


class RepeatedForm(Form):
    """What an alarm did several times."""

    path: str
    number: int
    first: str = Field(description=_TIME)
    last: str = Field(description=_TIME)


class SpanForm(Form):
    """From when to when an alarm was so."""

    path: str
    since: str = Field(description=_TIME)
    until: str | None = Field(description="Of a stale alarm null while it stands; of a shelved one the end of shelving.")


class CountForm(Form):
    """Annunciations in a period of 10 minutes."""

    start: str = Field(description=_TIME)
    count: int


class LevelForm(Form):
    """How many alarms were so, until the next point."""

    time: str = Field(description=_TIME)
    stale: int
    shelved: int
    out_of_service: int


class FiguresForm(Form):
    """Figures of alarm performance of a range, and the lists behind them."""

    config: str
    path: str = Field(description="`/`: the whole configuration.")
    start: str = Field(description="Of the range, widened to full 10 minutes.")
    end: str
    complete_from: str | None = Field(description="From when on the history is known; null: nothing of the range is.")
    complete_until: str | None = Field(description="Until when.")
    remarks: list[str] = Field(description="What has to be known to read the figures.")
    figures: list[FigureForm]
    periods: list[CountForm] = Field(description="Annunciations per 10 minutes; periods without any are left out.")
    floods: list[FloodForm]
    frequent: list[FrequentForm] = Field(description="The ten most frequent.")
    chattering: list[RepeatedForm]
    fleeting: list[RepeatedForm]
    stale: list[SpanForm]
    shelved: list[SpanForm] = Field(description="At the end of the range.")
    out_of_service: list[SpanForm] = Field(description="At the end of the range.")
    over_time: list[LevelForm]


class BucketForm(Form):
    """Number of events in a span of time."""

    start: str = Field(description=_TIME)
    counts: dict[str, int] = Field(description="By label; labels without any are left out.")


class CountsForm(Form):
    """Counts per bucket, empty ones included."""

    config: str
    bucket_s: int
    by: str
    buckets: list[BucketForm]


class MostFrequentForm(Form):
    """How often an alarm rose."""

    path: str
    pv: str
    count: int


class TopForm(Form):
    """Alarms that rose most often."""

    config: str
    alarms: list[MostFrequentForm]
