"""What is known of an alarm between two of its records, and the state that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import EventKind
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Sample, Snapshot, Suppression
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from alarm_engine.wire.state import NORMAL, LeafState
from backend.phoebus.commands import Given
from backend.phoebus.transitions import Circumstances, Verdict, is_disabled

_DISCONNECTED = "Disconnected"
_NEVER = Nanos(0)


@dataclass(slots=True)
class Known:
    """What is known of one path."""

    settings: Settings | None = None
    state: LeafState | None = None
    snapshot: Snapshot | None = None
    """That of the last event; None where only records of before are known."""
    last: Nanos = _NEVER
    """Time of the last event: the next one is not before it, whatever clocks do."""
    version: EventId | None = None
    """The last event."""
    mark: int = 0
    """Records that were missing when the last one came."""
    user: str = ""
    host: str = ""
    """Who wrote the settings last."""
    deleter: tuple[str, str] = ("", "")
    """Who is about to delete, from where."""
    covered: bool = False
    """It was there in the records of before."""
    edited: bool = False
    answered: int = 0
    """The newest command that a record has answered."""
    asked: bool = False
    """It was looked up what history knows of it."""
    waiting: tuple[StoredRecord, int] | None = None
    """A state whose settings have not come yet, for an edit moves them behind it, and the records that were missing when it came."""


FRESH = LeafState(Alarm(Severity.OK, "", "", _NEVER), Severity.OK, "", NORMAL)
"""An alarm that has just been added, as the server begins it."""


def state_of(snapshot: Snapshot) -> LeafState:
    """A snapshot as the state record that it came from."""
    return LeafState(snapshot.alarm, snapshot.current.severity, snapshot.current.message, NORMAL)


def circumstances(alarm: Known, settings: AlarmSettings, given: Given | None) -> Circumstances:
    """What is known of an alarm beside its records."""
    return Circumstances(
        suppressed=alarm.snapshot.suppression if alarm.snapshot is not None else None,
        enabled=settings.enabled,
        shelved=settings.enabled_at is not None,
        filtered=bool(settings.filter),
        edited=alarm.edited,
        command=given.command.kind if given is not None else None,
    )


def who(verdict: Verdict, alarm: Known, given: Given | None) -> tuple[str, str, str]:
    """Who did it, from where, and why; empty where nobody did, or it is not known."""
    kinds = {EventKind.ACKNOWLEDGED: CommandKind.ACKNOWLEDGE, EventKind.UNACKNOWLEDGED: CommandKind.UNACKNOWLEDGE}
    if verdict.kind in kinds and not verdict.reason:
        if given is not None and given.command.kind is kinds[verdict.kind]:
            return given.command.user, given.command.host, given.command.reason
    elif verdict.kind in (EventKind.SHELVED, EventKind.UNSHELVED, EventKind.DISABLED, EventKind.ENABLED):
        return alarm.user, alarm.host, ""
    return "", "", ""


def snapshot_after(
    alarm: Known, before: LeafState | None, happened: tuple[EventId, Nanos, Verdict], acknowledgement: Acknowledgement
) -> Snapshot:
    """The state after an event, as far as records tell."""
    event_id, time, verdict = happened
    state, former = alarm.state, alarm.snapshot
    assert state is not None
    settings = alarm.settings if isinstance(alarm.settings, AlarmSettings) else AlarmSettings()
    since = former.since if former is not None else (before or state).alarm.time
    if before is not None and before.alarm.severity.unacknowledged is not state.alarm.severity.unacknowledged:
        since = time
    taken_notice = former.acknowledgement if former is not None else None
    if verdict.kind is EventKind.ACKNOWLEDGED and (acknowledgement.user or verdict.reason):
        taken_notice = acknowledgement
    rise = former.rise if former is not None else None
    return Snapshot(
        alarm=state.alarm,
        current=Sample(state.current_severity, state.current_message, "", state.alarm.time),
        connected=state.current_message != _DISCONNECTED,
        since=since,
        rise=event_id if verdict.rose else rise,
        acknowledgement=taken_notice if state.alarm.severity.is_acknowledged else None,
        suppression=_suppression(alarm, settings, time),
        annunciating=settings.annunciating,
    )


def _suppression(alarm: Known, settings: AlarmSettings, time: Nanos) -> Suppression | None:
    if settings.enabled or alarm.state is None or not is_disabled(alarm.state):
        return None
    former = alarm.snapshot.suppression if alarm.snapshot is not None else None
    since = former.since if former is not None else time
    return Suppression(alarm.user, alarm.host, "", since, settings.enabled_at)


def description_of(settings: Settings | None) -> str:
    """The description of an alarm; a component has none."""
    return settings.description if isinstance(settings, AlarmSettings) else ""


def ended_by_itself(before: Settings | None, after: Settings, time: Nanos) -> bool:
    """The server writes the settings when the date of a shelved alarm has come."""
    if not (isinstance(before, AlarmSettings) and isinstance(after, AlarmSettings) and after.enabled):
        return False
    return before.enabled_at is not None and time >= before.enabled_at - NANOS_PER_SECOND
