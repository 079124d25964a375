"""An event: one line of history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alarm_engine.model.severity import Severity
from alarm_engine.model.state import EventId, Snapshot
from alarm_engine.model.times import Nanos


class EventKind(StrEnum):
    """What happened."""

    ALARM = "alarm"
    """The alarm rose."""
    CLEARED = "cleared"
    """The alarm went back to OK."""
    CHANGED = "changed"
    """The PV or the alarm changed without a rise (lower severity, other message, connection)."""
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    DISABLED = "disabled"
    """Taken out of service."""
    ENABLED = "enabled"
    """Put back into service."""
    CONFIGURED = "configured"
    """Settings were added or edited."""
    REMOVED = "removed"
    COMMAND = "command"
    """Closes a command: how many alarms it acted on, how many it left alone."""
    REFUSED = "refused"
    """A command that was not carried out; `reason` says why."""
    MODE = "mode"
    """A switch of the whole configuration: maintenance, notifications."""
    ENGINE = "engine"
    """An engine took the configuration over."""
    FOREIGN = "foreign"
    """Somebody else wrote states of the configuration, or has been quiet since; `comment` says which, and what is done."""
    SERVER = "server"
    """An IOC (or gateway) went, with all or many of its PVs, or is back: `host` is its address, `description` says how many PVs."""


class Origin(StrEnum):
    """Who says that it happened."""

    ENGINE = "engine"
    """An engine of ours, which decided it."""
    DERIVED = "derived"
    """Concluded from two successive records of a Phoebus server."""
    IMPORTED = "imported"
    """Concluded in the same way from what a Phoebus alarm logger had stored."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command did."""

    command: str
    done: int
    """Alarms acted on."""
    left_alone: tuple[str, ...] = ()
    """Paths of alarms that rose after what the user had seen."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of history: what happened to one alarm, why, by whom, and its complete new state."""

    id: EventId
    time: Nanos
    """The engine's clock; never runs back within a configuration."""
    kind: EventKind
    path: str
    """Path of the alarm, or of the node that a command was sent to."""
    from_severity: Severity
    """Alarm severity before (acknowledged forms included)."""
    to_severity: Severity
    """Alarm severity after."""
    reason: str = ""
    """Named reason of the decision, or why a command was refused."""
    pv_time: Nanos | None = None
    """Time stamp of the PV's sample that caused it; None where there is none."""
    description: str = ""
    """The alarm's description at that time."""
    annunciated: bool = False
    user: str = ""
    host: str = ""
    comment: str = ""
    """The reason that the user gave."""
    correlation: str = ""
    """Id of the command that caused it."""
    result: CommandResult | None = None
    snapshot: Snapshot | None = None
    """New state of the alarm; None for events that are not about one alarm."""
    origin: Origin = Origin.ENGINE
    since: Nanos | None = None
    """Of an engine that took over: when the one before last wrote a state, so from then on nobody may have watched; None: not known."""
