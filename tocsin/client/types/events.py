"""Lines of history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer
from tocsin.client.types.live import AlarmState
from tocsin.client.types.names import EventKind, Origin, Severity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Effect(Answer):
    """What a command did.

    >>> event = next(client.events(kind="command"))
    >>> event.result.command, event.result.count
    ('shelve', 1)
    """

    command: str
    count: int
    """Alarms acted on."""
    left_alone: tuple[str, ...]
    """Paths of alarms that rose after what the user had seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Event(Answer):
    """One line of history. (`from` and `to` of the REST interface are `from_severity` and `to_severity` here.)

    >>> event = next(client.events("/Acc/Vacuum/GC1", kind="alarm"))
    >>> event.from_severity, event.to_severity, event.annunciated
    ('OK', 'MAJOR', True)
    """

    id: str
    """`CONFIG.EPOCH.N`, ordered by the two numbers."""
    time: datetime
    """Clock of the engine."""
    kind: EventKind
    path: str
    pv: str
    system: str
    from_severity: Severity
    to_severity: Severity
    reason: str
    """Named reason of the decision, or why a command was refused."""
    pv_time: datetime | None
    """Time stamp of the PV's sample that caused it."""
    since: datetime | None = None
    """Of an engine that took over: when the one before it last wrote a state."""
    description: str
    annunciated: bool
    """It was put before the operator."""
    user: str
    host: str
    comment: str
    """The reason that the user gave."""
    correlation: str
    """Id of the command that caused it."""
    result: Effect | None
    state: AlarmState | None
    """Complete state of the alarm after the event; None for events that are not about one alarm."""
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Acknowledged(Answer):
    """One alarm that was acknowledged, and how soon.

    >>> one = next(client.acknowledgements())
    >>> one.pv, one.severity, one.user, one.comment
    ('P1', 'MINOR', 'mara', 'klystron group is informed')
    """

    event: str
    time: datetime
    path: str
    pv: str
    system: str
    severity: Severity
    """What was acknowledged."""
    description: str
    user: str
    host: str
    comment: str
    reason: str
    annunciated: datetime | None
    """When the alarm was first put before the operator since somebody had last answered it."""
    after_s: float | None
    """Seconds from then on; None where that is not known, or maintenance mode acknowledged."""
