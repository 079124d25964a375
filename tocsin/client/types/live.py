"""Answers about what is now. Times are aware datetimes in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer
from tocsin.client.types.names import Severity, State
from tocsin.client.types.trust import Live, Trusted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sample(Answer):
    """What the PV says.

    >>> client.alarm("/Acc/Vacuum/GC1").current.message
    'HIHI_ALARM'
    """

    severity: Severity
    message: str
    value: str
    time: datetime
    """Time stamp of the PV."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Acknowledgement(Answer):
    """Who took notice of an alarm.

    >>> acknowledgement = client.alarm("/Acc/RF/Cavity/P1").acknowledgement
    >>> acknowledgement.user, acknowledgement.reason
    ('mara', 'klystron group is informed')
    """

    user: str
    host: str
    reason: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Suppression(Answer):
    """Who took an alarm out of sight.

    >>> suppression = client.alarm("/Acc/Vacuum/GC10").suppression
    >>> suppression.user, suppression.until > datetime.now(UTC)
    ('jo', True)
    """

    user: str
    host: str
    reason: str
    since: datetime
    until: datetime | None
    """End of shelving; None: out of service until somebody enables it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AlarmState(Answer):
    """Complete state of one alarm.

    >>> event = next(client.events("/Acc/Vacuum/GC1", kind="alarm"))
    >>> event.state.severity, event.state.connected
    ('MAJOR', True)
    """

    severity: Severity
    """Latched, and with `_ACK` if acknowledged. OK while suppressed."""
    message: str
    value: str
    """What raised the alarm."""
    time: datetime | None
    """Time stamp of the PV that raised the alarm."""
    current: Sample | None
    """What the PV says now, also while the alarm is suppressed."""
    connected: bool
    since: datetime | None
    """When the severity became what it is; acknowledging does not count."""
    rise: str | None
    """Event in which the alarm last rose."""
    acknowledgement: Acknowledgement | None
    suppression: Suppression | None
    annunciating: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Alarm(AlarmState):
    """One alarm of the tree, with its state.

    >>> for alarm in client.alarms().alarms:
    ...     print(alarm.severity, alarm.pv, alarm.description)
    MAJOR GC1 Pressure of sector 1
    """

    path: str
    pv: str
    system: str
    """Component directly below the root, empty for alarms directly below it."""
    description: str
    state: State
    known: bool
    """False: no engine or PV has said anything yet, and the severity means nothing."""
    version: str | None
    """Event that the state comes from: what `seen` of a command compares with."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AlarmList(Live):
    """Alarms in the order asked for.

    >>> found = client.alarms("/Acc/Vacuum", state="all")
    >>> found.total, found.stale, [alarm.pv for alarm in found.alarms]
    (3, False, ['GC1', 'GC10', 'GC2'])
    """

    total: int
    """Alarms that pass the filters; more than are in the list if there was a `limit`."""
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Text(Answer):
    """Guidance, a display or a command.

    >>> client.alarm("/Acc/Vacuum/GC1").settings.guidance[0].details
    'Call **4411**'
    """

    title: str
    details: str
    """As written; guidance is Markdown."""
    html: str
    """Guidance as HTML that is safe to show; empty for the others."""
    source: str
    """Path of the alarm or component that it was written for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Action(Answer):
    """Something that an alarm sets off.

    >>> client.alarm("/Acc/Vacuum/GC1").settings.actions[0].details
    'mailto:vacuum@lab.example'
    """

    title: str
    details: str
    delay_s: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AlarmSettings(Answer):
    """How an alarm is set; guidance, displays and commands also of the components above, nearest first.

    >>> settings = client.alarm("/Acc/Vacuum/GC1").settings
    >>> settings.latching, settings.delay_s, settings.guidance[0].title
    (True, 0, 'What to do')
    """

    description: str
    enabled: bool
    enabled_at: datetime | None
    latching: bool
    annunciating: bool
    delay_s: int
    count: int
    filter: str
    guidance: tuple[Text, ...]
    displays: tuple[Text, ...]
    commands: tuple[Text, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Waiting(Answer):
    """An alarm that rises when its delay is over, if its PV does not recover before.

    >>> client.alarm("/Acc/Vacuum/GC1").waiting is None
    True
    """

    severity: Severity
    message: str
    value: str
    time: datetime
    """Time stamp of the PV."""
    due: datetime
    """When it rises, by the clock of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AlarmDetail(Alarm, Trusted):
    """Everything about one alarm.

    >>> alarm = client.alarm("/Acc/Vacuum/GC1")
    >>> alarm.description, alarm.stale, alarm.settings.enabled
    ('Pressure of sector 1', False, True)
    """

    waiting: Waiting | None = None
    """Its delay is running; None: it is not, or the server does not tell."""
    settings: AlarmSettings
    as_of: str | None
    """Newest event that is in the answer; None before the first."""
    age_s: float | None
    """Seconds since the engine's last life sign; None: there never was one."""
    stale: bool
    """What is shown is old."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Configuration(Live):
    """One alarm tree of the server.

    >>> [(one.name, one.alarms, one.severity) for one in client.configurations()]
    [('Acc', 5, 'MAJOR')]
    """

    name: str
    alarms: int
    """Number of alarms."""
    severity: Severity
    """Rolled up over the whole tree."""
    maintenance: bool
    notify: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AlarmCounts(Answer):
    """Alarms at and below a component.

    >>> counts = client.tree("/Acc/Vacuum").root.counts
    >>> counts.total, counts.active, counts.shelved
    (3, 1, 1)
    """

    total: int
    severities: dict[str, int]
    """By name of the severity, OK included; suppressed and unknown alarms are left out."""
    active: int
    """In alarm and not acknowledged."""
    acknowledged: int
    shelved: int
    disabled: int
    """Out of service."""
    unknown: int
    """No engine or PV has said anything about them yet."""
    disconnected: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Node(Answer):
    """A component with what is below it.

    >>> root = client.tree(depth=1).root
    >>> [(node.name, node.severity) for node in root.nodes]
    [('RF', 'MINOR_ACK'), ('Vacuum', 'MAJOR')]
    """

    path: str
    name: str
    severity: Severity
    """Rolled up; suppressed alarms are left out."""
    alarms: int
    """Number of alarms below, at any depth."""
    counts: AlarmCounts
    nodes: tuple[Node, ...] | None
    """Components directly below, in natural order; None beyond the depth asked for."""
    leaves: tuple[Alarm, ...] | None
    """Alarms directly below, in natural order; None if they were not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Tree(Live):
    """A part of the tree.

    >>> tree = client.tree("/Acc/Vacuum", depth=0, leaves=True)
    >>> [leaf.pv for leaf in tree.root.leaves]
    ['GC1', 'GC2', 'GC10']
    """

    root: Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class System(AlarmCounts):
    """One subsystem.

    >>> [(one.system, one.worst, one.active) for one in client.summary().systems]
    [('RF', 'MINOR_ACK', 0), ('Vacuum', 'MAJOR', 1), ('', 'OK', 0)]
    """

    config: str
    system: str
    """Name; empty for alarms directly below the root."""
    path: str
    worst: Severity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Summary(Live):
    """All subsystems.

    >>> summary = client.summary()
    >>> sum(one.active for one in summary.systems), summary.stale
    (1, False)
    """

    systems: tuple[System, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Readiness(Answer):
    """Whether the server can answer, and what is missing if not.

    >>> client.ready()
    Readiness(ready=True, missing={})
    """

    ready: bool
    missing: dict[str, str]
    """What is missing, with the reason."""
