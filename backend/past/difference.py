"""What differs between two moments. What came and went between them is not in it: that is what events are for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.history.port import PastAlarm, PastStates


class ChangeKind(StrEnum):
    """How an alarm differs."""

    CHANGED = "changed"
    """Another severity, shelved or not, connected or not."""
    APPEARED = "appeared"
    """It was added to the tree, or first heard of."""
    REMOVED = "removed"
    """It is no longer in the tree."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alarm that is not as it was."""

    path: str
    before: PastAlarm | None
    """None: it appeared."""
    after: PastAlarm | None
    """None: it was removed."""

    @property
    def kind(self) -> ChangeKind:
        """How it differs."""
        if self.before is None:
            return ChangeKind.APPEARED
        return ChangeKind.REMOVED if self.after is None else ChangeKind.CHANGED


def difference(before: PastStates, after: PastStates) -> list[Change]:
    """The alarms that are not as they were: what is worst then comes first, then what was, then by path."""
    old = {alarm.path: alarm for alarm in before.alarms}
    new = {alarm.path: alarm for alarm in after.alarms}
    found = [
        Change(path, old.get(path), new.get(path)) for path in old.keys() | new.keys() if _shown(old.get(path)) != _shown(new.get(path))
    ]
    return sorted(found, key=lambda change: (-_severity(change.after), -_severity(change.before), change.path))


def _shown(alarm: PastAlarm | None) -> tuple[object, ...] | None:
    return None if alarm is None else (alarm.severity, alarm.suppressed, alarm.out_of_service, alarm.connected)


def _severity(alarm: PastAlarm | None) -> int:
    return -1 if alarm is None else int(alarm.severity)
