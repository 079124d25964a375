"""Events of a configuration that a Phoebus server owns, from its records in their order. No I/O here, and no clock.

An event follows from a record and the one before it for the same alarm. Compaction drops records: what lay between two that are left is
not known, and the event says so (`GAP`). The first record of an alarm of which nothing is known is `FOUND`: it says how things stand, not
that anything happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import tzinfo

from alarm_engine.errors import WireError
from alarm_engine.journal.port import StoredRecord
from alarm_engine.model.command import CommandKind
from alarm_engine.model.event import Event, EventKind, Origin
from alarm_engine.model.path import canonical, is_below
from alarm_engine.model.settings import AlarmSettings, Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, EventId
from alarm_engine.model.times import NANOS_PER_MS, Nanos
from alarm_engine.wire.command import decode_command
from alarm_engine.wire.config import decode_config
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.state import NORMAL, LeafState, Modes, NodeState, decode_state
from alarm_engine.wire.topics import Topics
from backend.phoebus.commands import GivenCommands
from backend.phoebus.ids import derived_id
from backend.phoebus.known import FRESH, Known, circumstances, description_of, ended_by_itself, snapshot_after, state_of, who
from backend.phoebus.transitions import CHANGED, judge, says_the_same

FOUND = "found as it stands; what was before is not known"
GAP = "records in between were dropped by compaction; what lay between is not known"
SHELVING_ENDED = "shelving ended"
_ANSWERS = frozenset({EventKind.ACKNOWLEDGED, EventKind.UNACKNOWLEDGED, EventKind.CHANGED})
"""What the server may answer a command to an alarm with; it publishes each of them, even if nothing happened."""
_ROOT_PLACE = 1
"""Place of the event about the modes, beside others of the same record."""


class Derivation:
    """Takes the records of one configuration one by one."""

    def __init__(self, config: str, zone: tzinfo, start: int | None = 0, origin: Origin = Origin.DERIVED) -> None:
        """`start`: records of the configuration topic before that offset only tell how things were.

        None: they are not from a topic. Then their offsets only tell them apart, settings may never come, and what is met for the first
        time was there before.
        """
        self.config = config
        self._topics = Topics(config)
        self._root = "/" + config
        self._zone = zone
        self._start = start
        self._origin = origin
        self._next = start or 0
        self._missing = 0
        self._settled = 0 if start is not None else -1
        self._live = False
        self._alarms: dict[str, Known] = {}
        self._commands = GivenCommands()
        self._modes: Modes | None = None

    @staticmethod
    def id_of(config: str, record: StoredRecord) -> EventId:
        """The id of the event about an alarm that a record of the configuration topic brings."""
        return derived_id(config, record.time, record.offset)

    def unknown(self, record: StoredRecord) -> str | None:
        """The alarm that a record is about, if history should be asked about it first (`recall`)."""
        kind, _, raw_path = record.key.partition(":")
        if kind == RecordType.CONFIG:
            wanted = self._start is None  # else its state came before, or comes with it
        else:
            wanted = kind == RecordType.STATE and record.value is not None and b'"current_severity"' in record.value
        if not wanted or self._is_old(record):
            return None
        path = canonical(raw_path)
        alarm = self._alarms.get(path)
        return path if alarm is None or not alarm.asked else None

    def recall(self, path: str, event: Event | None) -> None:
        """The last event of an alarm before the record that comes next; None if history has none."""
        alarm = self._alarm(path)
        alarm.asked = True
        if event is None and alarm.state is None and alarm.covered:
            alarm.state = FRESH  # all before was told, and it had said nothing yet
        if event is None or event.snapshot is None or alarm.snapshot is not None:
            return
        state = state_of(event.snapshot)
        if alarm.state is None or says_the_same(alarm.state, state):
            alarm.state, alarm.snapshot, alarm.last, alarm.version = state, event.snapshot, event.time, event.id

    def is_alarm(self, path: str) -> bool:
        """True for what is known as an alarm, not as a component."""
        alarm = self._alarms.get(path)
        return alarm is not None and (alarm.state is not None or isinstance(alarm.settings, AlarmSettings))

    def begin_again(self) -> None:
        """The topic was made anew: its offsets count from 0 again, and what was between is not known."""
        self._start = self._next = 0
        self._missing += 1

    def caught_up(self) -> None:
        """All was read that is there: what comes now is read as it is written, before compaction can drop any of it."""
        self._settled = self._missing
        self._live = True

    def feed(self, record: StoredRecord) -> list[Event]:
        """The events that follow from a record; raises `WireError` for one that cannot be understood."""
        if record.topic == self._topics.config:
            self._count(record)
        kind, raw_path = parse_key(record.key)
        if kind is RecordType.COMMAND:
            return list(self._command(raw_path, record))
        if kind not in (RecordType.CONFIG, RecordType.STATE):
            return []
        path = canonical(raw_path)
        if not is_below(path, self._root):
            raise WireError(f"path {path} is outside of {self._root}")
        found = list(self._config(path, record) if kind is RecordType.CONFIG else self._state(path, record))
        return [] if self._is_old(record) else found

    def _is_old(self, record: StoredRecord) -> bool:
        return self._start is not None and record.offset < self._start

    def _count(self, record: StoredRecord) -> None:
        """Look for records that are missing before this one."""
        if self._start is None or self._is_old(record):
            return
        self._missing += max(0, record.offset - self._next)
        self._next = record.offset + 1

    # ------------------------------------------------------------------ commands and settings

    def _command(self, raw_path: str, record: StoredRecord) -> Iterator[Event]:
        command = decode_command(record, raw_path)
        if command is None or not is_below(command.path, self._root):
            return
        self._commands.note(command, record.time, live=self._live)
        # Those of the other topic have offsets of their own: another place keeps them apart from records of the same number.
        yield Event(
            derived_id(self.config, record.time, record.offset, 7),
            record.time,
            EventKind.COMMAND,
            command.path,
            Severity.OK,
            Severity.OK,
            reason=command.kind.value,
            user=command.user,
            host=command.host,
            comment=command.reason,
            correlation=command.id,
            origin=self._origin,
        )

    def _config(self, path: str, record: StoredRecord) -> Iterator[Event]:
        if record.value is None:
            yield from self._removed(path, record)
            return
        alarm = self._alarm(path)
        before = alarm.settings
        decoded = decode_config(record.value, self._zone, before)
        if decoded.settings is None:
            alarm.deleter = (decoded.user, decoded.host)
            return
        alarm.user, alarm.host = decoded.user, decoded.host
        alarm.settings, alarm.edited, alarm.deleter = decoded.settings, True, ("", "")
        alarm.covered = alarm.covered or self._is_old(record)
        is_new = before is None and alarm.state is None and alarm.waiting is None
        if is_new and self._missing == self._settled and not self._is_old(record):
            alarm.state, alarm.asked = FRESH, True
        if ended_by_itself(before, decoded.settings, record.time):
            alarm.user = alarm.host = ""
        if before != decoded.settings:
            yield self._configured(path, alarm, before, record)
        if alarm.waiting is not None and isinstance(alarm.settings, AlarmSettings):
            (waiting, missing), alarm.waiting = alarm.waiting, None
            yield from self._state(path, waiting)
            alarm.mark = missing

    def _configured(self, path: str, alarm: Known, before: Settings | None, record: StoredRecord) -> Event:
        severity = alarm.state.alarm.severity if alarm.state is not None else Severity.OK
        reason = "added" if self._missing == self._settled else FOUND
        if before is not None and type(before) is type(alarm.settings):
            names = [field.name for field in fields(before) if getattr(before, field.name) != getattr(alarm.settings, field.name)]
            reason = "changed: " + ", ".join(names)
        return Event(
            derived_id(self.config, record.time, record.offset),
            record.time,
            EventKind.CONFIGURED,
            path,
            severity,
            severity,
            reason=reason,
            description=description_of(alarm.settings),
            user=alarm.user,
            host=alarm.host,
            origin=self._origin,
        )

    def _removed(self, path: str, record: StoredRecord) -> Iterator[Event]:
        doomed = [below for below in self._alarms if is_below(below, path)]
        user, host = self._alarm(path).deleter
        for place, below in enumerate(sorted(doomed)):
            alarm = self._alarms.pop(below)
            if not (isinstance(alarm.settings, AlarmSettings) or (self._start is None and alarm.state is not None)):
                continue
            time = max(record.time, alarm.last)
            yield Event(
                derived_id(self.config, time, record.offset, place),
                time,
                EventKind.REMOVED,
                below,
                alarm.state.alarm.severity if alarm.state is not None else Severity.OK,
                Severity.OK,
                description=description_of(alarm.settings),
                user=user,
                host=host,
                origin=self._origin,
            )

    # ------------------------------------------------------------------ states

    def _state(self, path: str, record: StoredRecord) -> Iterator[Event]:
        if record.value is None:
            return
        state = decode_state(record.value)
        if isinstance(state, NodeState):
            if path == self._root:
                yield from self._mode(state.modes, record)
            return
        alarm = self._alarm(path)
        if alarm.settings is None and self._start is not None and not self._is_old(record):
            alarm.waiting = (record, self._missing)
            return
        before, alarm.state = alarm.state, state
        if self._is_old(record) or (before is not None and says_the_same(before, state)):
            given = self._commands.newest(path, record.time, alarm.answered)
            alarm.edited, alarm.mark, alarm.answered = False, self._missing, given.order if given is not None else alarm.answered
            return
        yield self._happened(path, alarm, before, record)

    def _happened(self, path: str, alarm: Known, before: LeafState | None, record: StoredRecord) -> Event:
        assert alarm.state is not None
        state, settings = alarm.state, alarm.settings if isinstance(alarm.settings, AlarmSettings) else AlarmSettings()
        time = max(record.time, alarm.last)
        event_id = derived_id(self.config, time, record.offset)
        if alarm.version is not None and event_id <= alarm.version:  # two in a millisecond, which their numbers do not order
            time = Nanos(alarm.last + NANOS_PER_MS)
            event_id = derived_id(self.config, time, record.offset)
        given = self._commands.newest(path, record.time, alarm.answered)
        verdict, reason = CHANGED, FOUND
        if before is not None:
            verdict = judge(before, state, circumstances(alarm, settings, given))
            reason = GAP if self._missing > alarm.mark else verdict.reason
        user, host, comment = who(verdict, alarm, given)
        if verdict.kind is EventKind.UNSHELVED and not user:
            reason = reason or SHELVING_ENDED
        alarm.snapshot = snapshot_after(alarm, before, (event_id, time, verdict), Acknowledgement(user, host, comment, time))
        alarm.last, alarm.version, alarm.mark, alarm.edited = time, event_id, self._missing, False
        if given is not None and verdict.kind in _ANSWERS:
            alarm.answered = given.order
        return Event(
            event_id,
            time,
            verdict.kind,
            path,
            before.alarm.severity if before is not None else state.alarm.severity,
            state.alarm.severity,
            reason=reason,
            pv_time=state.alarm.time if before is None or before.alarm.time != state.alarm.time else None,
            description=settings.description,
            annunciated=verdict.spoken and settings.annunciating,
            user=user,
            host=host,
            comment=comment,
            snapshot=alarm.snapshot,
            origin=self._origin,
        )

    def _mode(self, modes: Modes, record: StoredRecord) -> Iterator[Event]:
        before, self._modes = self._modes, modes
        names = []
        if modes.maintenance != (before or NORMAL).maintenance:
            names.append(CommandKind.MAINTENANCE if modes.maintenance else CommandKind.NORMAL)
        if modes.notify != (before or NORMAL).notify:
            names.append(CommandKind.ENABLE_NOTIFY if modes.notify else CommandKind.DISABLE_NOTIFY)
        for place, kind in enumerate(names, _ROOT_PLACE):
            given = self._commands.last(kind, record.time)
            yield Event(
                derived_id(self.config, record.time, record.offset, place),
                record.time,
                EventKind.MODE,
                self._root,
                Severity.OK,
                Severity.OK,
                reason=kind.value,
                user=given.command.user if given else "",
                host=given.command.host if given else "",
                origin=self._origin,
            )

    def _alarm(self, path: str) -> Known:
        return self._alarms.setdefault(path, Known())
