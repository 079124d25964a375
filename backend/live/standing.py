"""What an alarm counts as, for lists and figures."""

from __future__ import annotations

from enum import StrEnum

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Snapshot
from backend.live.model import LiveAlarm


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
    severity = snapshot.alarm.severity
    if severity is Severity.OK:
        # A PV that went is UNDEFINED; one that is neither there nor in alarm has not come yet.
        return Standing.OK if snapshot.connected else Standing.UNKNOWN
    return Standing.ACTIVE if severity.is_active else Standing.ACKNOWLEDGED
