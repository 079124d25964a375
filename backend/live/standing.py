"""What an alarm counts as, for lists and figures."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Snapshot
from backend.live.model import Counts, LiveAlarm


class Standing(StrEnum):
    """Exactly one of these holds for each alarm."""

    OK = "ok"
    UNKNOWN = "unknown"
    """No engine has said anything about it, or its PV was never heard of: not the same as OK."""
    ACTIVE = "active"
    """In alarm, nobody has taken notice yet."""
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    """Suppressed, comes back by itself."""
    DISABLED = "disabled"
    """Out of service until somebody enables it."""


NOTABLE = frozenset(Standing) - {Standing.OK, Standing.UNKNOWN}
"""Everything that somebody may want on screen: in alarm, or suppressed."""


def standing(alarm: LiveAlarm) -> Standing:
    """What an alarm counts as; before an engine has said anything its settings decide."""
    return standing_of(alarm.snapshot, alarm.settings)


def standing_of(snapshot: Snapshot | None, settings: AlarmSettings) -> Standing:
    """What a state counts as."""
    if snapshot is None:
        if settings.enabled:
            return Standing.UNKNOWN
        return Standing.DISABLED if settings.enabled_at is None else Standing.SHELVED
    if snapshot.suppression is not None:
        return Standing.DISABLED if snapshot.suppression.until is None else Standing.SHELVED
    return standing_by(snapshot.alarm.severity, connected=snapshot.connected)


def standing_by(severity: Severity, *, connected: bool) -> Standing:
    """What an alarm counts as that is neither shelved nor out of service."""
    if severity is Severity.OK:
        # A PV that went is UNDEFINED; one that is neither there nor in alarm has not come yet.
        return Standing.OK if connected else Standing.UNKNOWN
    return Standing.ACTIVE if severity.is_active else Standing.ACKNOWLEDGED


def count(counts: Counts, what: tuple[Standing, Severity, bool], step: int = 1) -> None:
    """Count an alarm by standing, severity and whether it is disconnected; -1: no longer."""
    now, severity, disconnected = what
    counts.total += step
    if now is Standing.SHELVED:
        counts.shelved += step
    elif now is Standing.DISABLED:
        counts.disabled += step
    elif now is Standing.UNKNOWN:
        counts.unknown += step
    else:
        counts.severities[severity] += step
        counts.disconnected += step * disconnected


def counted(alarms: Iterable[LiveAlarm]) -> Counts:
    """What some alarms are, as the counts of a component say it."""
    counts = Counts()
    for alarm in alarms:
        count(counts, (standing(alarm), alarm.severity, alarm.snapshot is not None and not alarm.snapshot.connected))
    return counts
