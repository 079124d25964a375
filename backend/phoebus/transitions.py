"""What two successive state records of an alarm say that happened between them.

The rules are those of the Phoebus server read backwards. A record tells the state and not the cause: where two causes leave the same
record, what else is known of the alarm (its settings, the last command) decides, and nothing is said that does not follow.
"""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Suppression
from alarm_engine.wire.state import LeafState
from backend.kpi.definitions import BY_MAINTENANCE

EDITED = "its settings were edited"
BY_FILTER = "disabled by its filter"
FILTER_ENDED = "enabled by its filter"
UNSEEN = "acknowledged before it was seen"
_DISABLED = "Disabled"
_CLEARED = "OK"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the two records."""

    suppressed: Suppression | None = None
    """As the alarm was before."""
    enabled: bool = True
    """As its settings are now."""
    shelved: bool = False
    """Not enabled, and it has a date at which it comes back."""
    filtered: bool = False
    """They have a filter."""
    edited: bool = False
    """Its settings were written since the record before: the server then begins the alarm anew."""
    command: CommandKind | None = None
    """A command that reached it since the record before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened."""

    kind: EventKind
    reason: str = ""
    rose: bool = False
    """It has become an open alarm, or a worse one."""
    spoken: bool = False
    """The server announces that, if the alarm is set so."""


CHANGED = Verdict(EventKind.CHANGED)
RAISED = Verdict(EventKind.ALARM, rose=True, spoken=True)


def is_disabled(state: LeafState) -> bool:
    """By its settings or its filter: the server writes the same for both."""
    return state.alarm.severity is Severity.OK and state.alarm.message == _DISABLED


def says_the_same(one: LeafState, other: LeafState) -> bool:
    """True for records between which nothing happened; `latch` stands only in the first one of a latched alarm."""
    return (one.alarm[:4], one.current_severity, one.current_message) == (
        other.alarm[:4],
        other.current_severity,
        other.current_message,
    )


def judge(before: LeafState, after: LeafState, known: Circumstances) -> Verdict:
    """What happened between two records that do not say the same."""
    if is_disabled(after):
        return _hidden(before, known)
    if is_disabled(before):
        return _shown(after, known)
    was, now = before.alarm.severity, after.alarm.severity
    if now.is_active:
        return _active(before, after, known)
    if now.is_acknowledged:
        return _acknowledged(was, after, known)
    return _quiet(before, after, known) if was is not Severity.OK else CHANGED


def _hidden(before: LeafState, known: Circumstances) -> Verdict:
    if known.enabled:
        return Verdict(EventKind.CHANGED, BY_FILTER if known.filtered else "")
    if is_disabled(before) and known.suppressed is not None:
        return CHANGED
    return Verdict(EventKind.SHELVED if known.shelved else EventKind.DISABLED)


def _shown(after: LeafState, known: Circumstances) -> Verdict:
    rose = after.alarm.severity.is_active
    if known.suppressed is not None:
        kind = EventKind.ENABLED if known.suppressed.until is None else EventKind.UNSHELVED
        return Verdict(kind, rose=rose, spoken=rose)
    return Verdict(EventKind.ALARM if rose else EventKind.CHANGED, FILTER_ENDED if known.filtered else "", rose, rose)


def _active(before: LeafState, after: LeafState, known: Circumstances) -> Verdict:
    was, now = before.alarm.severity, after.alarm.severity
    taken_back = known.command is CommandKind.UNACKNOWLEDGE and now is after.current_severity and _is_still(before, after)
    if now.priority > was.priority and not taken_back:
        return RAISED
    if taken_back:
        return Verdict(EventKind.UNACKNOWLEDGED, rose=not was.is_active)
    if not was.is_acknowledged:
        return Verdict(EventKind.CHANGED, EDITED) if known.edited else CHANGED
    if known.edited:
        return Verdict(EventKind.ALARM, EDITED, rose=True, spoken=True)
    invalid = was.unacknowledged >= Severity.INVALID > now
    if after.modes.maintenance and invalid and known.command is not CommandKind.UNACKNOWLEDGE:
        return RAISED  # the server takes what it acknowledged by itself for cleared
    return Verdict(EventKind.UNACKNOWLEDGED, rose=True)


def _acknowledged(was: Severity, after: LeafState, known: Circumstances) -> Verdict:
    now = after.alarm.severity.unacknowledged
    reason = _by_mode(now, after, known)
    if was.is_active and now <= was:
        return Verdict(EventKind.ACKNOWLEDGED, reason)
    if was.is_acknowledged and now <= was.unacknowledged:
        return CHANGED
    return Verdict(EventKind.CHANGED, reason or UNSEEN)


def _quiet(before: LeafState, after: LeafState, known: Circumstances) -> Verdict:
    """No alarm any more. Where the PV was OK before and says nothing new, somebody has taken a latched alarm away."""
    if known.edited:
        return Verdict(EventKind.CLEARED, EDITED)
    if before.alarm.severity.is_active and before.current_severity is Severity.OK and _is_still(before, after):
        if after.alarm.message != _CLEARED:
            return Verdict(EventKind.UNACKNOWLEDGED)
        return Verdict(EventKind.ACKNOWLEDGED, _by_mode(before.alarm.severity, after, known))
    return Verdict(EventKind.CLEARED)


def _is_still(before: LeafState, after: LeafState) -> bool:
    """The PV says what it said before."""
    return (before.current_severity, before.current_message) == (after.current_severity, after.current_message)


def _by_mode(severity: Severity, after: LeafState, known: Circumstances) -> str:
    """The reason of an acknowledgement: maintenance mode takes notice of all that is INVALID or worse by itself."""
    by_itself = after.modes.maintenance and severity >= Severity.INVALID and known.command is not CommandKind.ACKNOWLEDGE
    return BY_MAINTENANCE if by_itself else ""
