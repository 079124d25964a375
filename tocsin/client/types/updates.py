"""What `subscribe()` tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tocsin.client.types.answer import Answer
from tocsin.client.types.events import Event
from tocsin.client.types.live import Alarm
from tocsin.client.types.trust import Live


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Snapshot(Live):
    """All alarms that stand or are suppressed: begin with these. Alarms that are not in it are OK, or nothing is known of them.

    >>> with client.subscribe() as updates:
    ...     snapshot = next(updates)
    >>> [alarm.pv for alarm in snapshot.alarms], snapshot.stale
    (['GC1', 'P1', 'GC10'], False)
    """

    alarms: tuple[Alarm, ...]
    """Worst first, then newest."""
    gap: str = ""
    """Why changes before it may be missing; empty for the first one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Change(Answer):
    """One line of history, as it happens.

    >>> with client.subscribe("/Acc/Vacuum/GC1") as updates:
    ...     for update in updates:
    ...         match update:
    ...             case Snapshot():
    ...                 _ = client.acknowledge("/Acc/Vacuum/GC1", user="mara")
    ...             case Change(event=event, alarm=Alarm()):
    ...                 print(event.kind, event.user, update.alarm.severity)
    ...                 break
    acknowledged mara MAJOR_ACK
    """

    event: Event
    alarm: Alarm | None
    """The alarm as it is after the event; None for events that are not about one alarm, and where it left the tree."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Stale(Answer):
    """From now on what was told is old, until `Fresh`: silence does not mean calm.

    >>> def banner(update: Update) -> str:
    ...     match update:
    ...         case Stale(since=since, why=why):
    ...             return f"OLD since {since:%H:%M:%S}: {why}"
    ...     return ""
    >>> banner(Stale(since=datetime(2026, 11, 30, 12, tzinfo=UTC), why="nobody answers"))
    'OLD since 12:00:00: nobody answers'
    """

    since: datetime
    """Clock of this machine: when it was last known to be good."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Fresh(Answer):
    """What was told is the present again, and complete.

    >>> update = Fresh(as_of="Acc.1790000000.7")
    >>> "good again" if isinstance(update, Fresh) else "?"
    'good again'
    """

    as_of: str | None
    """Newest event that was told, or that was there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EngineStatus(Answer):
    """What the alarm engine says about itself each second.

    >>> with client.subscribe(beats=True) as updates:
    ...     beat = next(update for update in updates if isinstance(update, Beat))
    >>> beat.engine.pvs_total, beat.engine.dropped
    (5, 0)
    """

    engine: str
    epoch: int
    pvs_total: int
    pvs_connected: int
    backlog: int
    """Changes that wait to be written."""
    dropped: int
    """Inputs that were lost."""
    lag_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Beat(Live):
    """About each second, if `beats=True`: a sign that the subscription is alive, with what the server says about itself.

    >>> with client.subscribe(beats=True) as updates:
    ...     beat = next(update for update in updates if isinstance(update, Beat))
    >>> beat.stale, beat.maintenance, beat.notify
    (False, False, True)
    """

    unknown: int = 0
    """Alarms of which nothing is known."""
    maintenance: bool = False
    notify: bool = True
    engine: EngineStatus | None = None
    """None: no engine has given a life sign, or there is no connection."""
    foreign: str = ""
    """Who else writes states of the configuration; empty: nobody."""


Update = Snapshot | Change | Stale | Fresh | Beat
"""What `subscribe()` yields. `Beat` only if asked for."""
