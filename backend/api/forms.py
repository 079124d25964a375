"""Forms of the answers, for the description of the interface. Large answers are encoded without them; tests hold the two together."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from alarm_engine.model.event import EventKind, Origin
from alarm_engine.model.severity import NAMES
from backend.api.freshness import Trust
from backend.live import Standing

SeverityName = Literal["OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"]
if SeverityName.__args__ != NAMES:  # type: ignore[attr-defined]
    raise AssertionError("severity names of the interface differ from those of the model")

Time = str
_TIME = "ISO 8601 in UTC."


class Form(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(extra="forbid")


class SampleForm(Form):
    """What the PV says."""

    severity: SeverityName
    message: str
    value: str
    time: Time = Field(description="Time stamp of the PV. " + _TIME)


class AcknowledgementForm(Form):
    """Who took notice."""

    user: str
    host: str
    reason: str
    time: Time = Field(description=_TIME)


class SuppressionForm(Form):
    """Who took an alarm out of sight."""

    user: str
    host: str
    reason: str
    since: Time = Field(description=_TIME)
    until: Time | None = Field(description="End of shelving; null: out of service until somebody enables it.")


class AlarmState(Form):
    """Complete state of one alarm."""

    severity: SeverityName = Field(description="Severity of the alarm: latched, and with `_ACK` if acknowledged. OK while suppressed.")
    message: str
    value: str = Field(description="Value that raised the alarm.")
    time: Time | None = Field(description="Time stamp of the PV that raised the alarm. " + _TIME)
    current: SampleForm | None = Field(description="What the PV says now, also while suppressed.")
    connected: bool
    since: Time | None = Field(description="When the severity became what it is; acknowledging does not count. " + _TIME)
    rise: str | None = Field(description="Event in which the alarm last rose.")
    acknowledgement: AcknowledgementForm | None
    suppression: SuppressionForm | None
    annunciating: bool


class AlarmRow(AlarmState):
    """One alarm as it is now."""

    path: str
    pv: str
    system: str = Field(description="Component directly below the root, empty for alarms directly below it.")
    description: str
    state: Standing
    known: bool = Field(description="False: no engine or PV has said anything yet, and the severity means nothing.")
    version: str | None = Field(description="Event that the state comes from.")


class AlarmPage(Trust):
    """Alarms, page by page."""

    total: int = Field(description="Alarms that pass the filters.")
    alarms: list[AlarmRow]
    next: str | None = Field(description="Give it as `after` for the following page; null at the end.")


class TextForm(Form):
    """Guidance, a display or a command."""

    title: str
    details: str = Field(description="As written; guidance is Markdown.")
    html: str = Field(description="Guidance as HTML that is safe to show; empty for the others.")
    source: str = Field(description="Path of the alarm or component that it was written for.")


class ActionForm(Form):
    """Something an alarm sets off."""

    title: str
    details: str
    delay_s: int


class SettingsForm(Form):
    """How an alarm is set; guidance, displays and commands also of the components above, nearest first."""

    description: str
    enabled: bool
    enabled_at: Time | None
    latching: bool
    annunciating: bool
    delay_s: int
    count: int
    filter: str
    guidance: list[TextForm]
    displays: list[TextForm]
    commands: list[TextForm]
    actions: list[ActionForm]


class WaitingForm(Form):
    """An alarm that rises when its delay is over, if its PV does not recover before."""

    severity: SeverityName
    message: str
    value: str
    time: Time = Field(description="Time stamp of the PV. " + _TIME)
    due: Time = Field(description="When it rises, by the clock of the engine. " + _TIME)


class AlarmDetail(AlarmRow):
    """One alarm with its settings."""

    waiting: WaitingForm | None = Field(description="Its delay is running; null: it is not.")
    settings: SettingsForm


class AlarmAnswer(Trust):
    """Everything about one alarm."""

    alarm: AlarmDetail


class ConfigurationForm(Trust):
    """One alarm tree."""

    name: str
    alarms: int = Field(description="Number of alarms.")
    severity: SeverityName = Field(description="Rolled up over the whole tree.")
    maintenance: bool
    notify: bool


class ConfigurationList(Trust):
    """All alarm trees of this server."""

    configurations: list[ConfigurationForm]


class CountsForm(Form):
    """Alarms at and below a component."""

    total: int
    severities: dict[str, int] = Field(description="By severity name, OK included; suppressed and unknown alarms are left out.")
    active: int = Field(description="In alarm and not acknowledged.")
    acknowledged: int
    shelved: int
    disabled: int = Field(description="Out of service.")
    unknown: int = Field(description="No engine or PV has said anything about them yet.")
    disconnected: int


class NodeForm(Form):
    """A component with what is below it."""

    path: str
    name: str
    severity: SeverityName = Field(description="Rolled up; suppressed alarms are left out.")
    alarms: int = Field(description="Number of alarms below, at any depth.")
    counts: CountsForm
    nodes: list[NodeForm] | None = Field(description="Components directly below, in natural order; null beyond the depth asked for.")
    leaves: list[AlarmRow] | None = Field(description="Alarms directly below, in natural order; null if they were not asked for.")


class TreeAnswer(Trust):
    """A part of the tree."""

    root: NodeForm


class SystemForm(CountsForm):
    """One subsystem."""

    config: str
    system: str = Field(description="Name; empty for alarms directly below the root.")
    path: str
    worst: SeverityName


class SummaryAnswer(Trust):
    """All subsystems."""

    systems: list[SystemForm]


class ResultForm(Form):
    """What a command did."""

    command: str
    count: int = Field(description="Alarms acted on.")
    left_alone: list[str] = Field(description="Alarms that rose after what the user had seen.")


class EventRow(Form):
    """One line of history."""

    id: str
    time: Time = Field(description="Clock of the engine. " + _TIME)
    kind: EventKind
    path: str
    pv: str
    system: str
    from_: SeverityName = Field(alias="from", description="Severity before.")
    to: SeverityName = Field(description="Severity after.")
    reason: str
    pv_time: Time | None
    since: Time | None = Field(None, description="Of an engine that took over: when the one before it last wrote a state.")
    description: str
    annunciated: bool
    user: str
    host: str
    comment: str = Field(description="The reason that the user gave.")
    correlation: str = Field(description="Id of the command that caused it.")
    result: ResultForm | None
    state: AlarmState | None = Field(
        description="Complete state of the alarm after the event; null for events that are not about one alarm."
    )
    origin: Origin = Field(
        description="Who says so: `engine`; `derived` from records of a Phoebus server; `imported` from a Phoebus alarm logger."
    )


class Page(Form):
    """A part of what happened in a range."""

    next: str | None = Field(description="Give it as `after` for the following page; null at the end.")
    complete: bool = Field(
        description="Everything that happened in the part of the range that this page covers is known, but for the last 5 seconds. "
        "False: do not read silence as calm."
    )
    remark: str = Field(description="Why it is not; empty if it is.")


class EventPageForm(Page):
    """Events, page by page."""

    events: list[EventRow]
