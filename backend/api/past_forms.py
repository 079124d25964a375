"""Forms of answers about the past."""

from __future__ import annotations

from pydantic import Field

from backend.api.forms import AlarmRow, Form, NodeForm, Page, SeverityName, Time
from backend.live import Standing
from backend.past.difference import ChangeKind


class MomentForm(Form):
    """What is to be known about an answer for a moment."""

    at: Time = Field(description="The moment, with the events of that very time.")
    as_of: str | None = Field(description="Newest event that is in the answer; null: nothing was recorded by then.")
    as_of_time: Time | None = Field(description="Its time.")
    complete: bool = Field(description="Everything that happened until then is in the answer. False: do not read silence as calm.")
    remark: str = Field(description="Why it is not; empty if it is.")


class PastTreeAnswer(MomentForm):
    """A part of the tree as it was."""

    root: NodeForm


class PastAlarmPage(MomentForm):
    """Alarms as they were, page by page."""

    total: int = Field(description="Alarms that pass the filters.")
    alarms: list[AlarmRow]


class ThenForm(Form):
    """One alarm at one moment."""

    severity: SeverityName = Field(description="OK while suppressed.")
    state: Standing
    connected: bool
    event: str = Field(description="What the state comes from.")
    time: Time = Field(description="Of that event.")


class ChangeForm(Form):
    """One alarm that is not as it was."""

    path: str
    pv: str
    system: str
    change: ChangeKind
    before: ThenForm | None = Field(description="Null: the alarm appeared.")
    after: ThenForm | None = Field(description="Null: the alarm was removed.")


class DifferenceAnswer(Form):
    """What differs between two moments."""

    before: MomentForm
    after: MomentForm
    total: int = Field(description="Alarms that differ.")
    cut: bool = Field(description="There are more than are shown.")
    changes: list[ChangeForm] = Field(description="What is worst afterwards comes first.")


class IntervalForm(Form):
    """A span of time in which an alarm had one severity, cut to the range."""

    start: Time
    end: Time
    seconds: float
    severity: SeverityName | None = Field(description="Null: nothing is known (before the first event, after the alarm was removed).")
    state: Standing = Field(description="What the alarm counted as; `unknown` where nothing is known.")
    suppressed: bool = Field(description="Shelved or out of service (`disabled`).")
    connected: bool


class LineForm(Form):
    """One alarm over time, without gaps."""

    path: str
    pv: str
    system: str
    intervals: list[IntervalForm]


class IntervalsAnswer(Form):
    """Alarms over time."""

    start: Time
    end: Time = Field(description="Not after now: nobody knows the future.")
    complete: bool = Field(description="Everything that happened in the range is in the answer. False: do not read silence as calm.")
    remark: str = Field(description="Why it is not; empty if it is.")
    total: int = Field(description="Alarms that were asked for.")
    cut: bool = Field(description="There are more than are shown.")
    alarms: list[LineForm]


class AcknowledgementRow(Form):
    """One alarm that was acknowledged."""

    event: str
    time: Time
    path: str
    pv: str
    system: str
    severity: SeverityName = Field(description="What was acknowledged.")
    description: str
    user: str
    host: str
    comment: str
    reason: str
    annunciated: Time | None = Field(description="When the alarm was first put before the operator since somebody had last answered it.")
    after_s: float | None = Field(description="Seconds from then on; null where that is not known, or maintenance mode acknowledged.")


class AcknowledgementPage(Page):
    """Who acknowledged what, page by page."""

    acknowledgements: list[AcknowledgementRow]
