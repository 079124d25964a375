"""Turns what happened into events and records-to-be, numbered in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from alarm_engine.evaluator.changes import Changes, ConfigWrite, LeafChange, Removal
from alarm_engine.evaluator.late_talk import LONGEST_HELD_NS, LateTalk
from alarm_engine.evaluator.tree import Leaf
from alarm_engine.logic.servers import Outcome, Went
from alarm_engine.logic.talk import LATE_S, Talk, annunciation, mass_disconnect, unspoken
from alarm_engine.model.event import CommandResult, Event, EventKind
from alarm_engine.model.settings import Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Acknowledgement, Alarm, EventId, Suppression
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Nanos
from alarm_engine.wire.runtime import Unsaid
from alarm_engine.wire.state import NORMAL

DISCONNECTED = "Disconnected"
"""Message of an alarm whose PV is not there."""

SERVER_WENT = "server went"
SERVER_BACK = "server is back"
"""Reasons of the events about servers of PVs."""

MASS_DISCONNECT = 10
"""More disconnected alarms than that are spoken as one sentence."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens, and by whom."""

    user: str = ""
    host: str = ""
    comment: str = ""
    """The reason that a user gave."""
    correlation: str = ""
    reason: str = ""
    """Named reason of a decision."""

    def suppression(self, now: Moment, until: Nanos | None) -> Suppression:
        """Who suppresses an alarm."""
        return Suppression(self.user, self.host, self.comment, now.wall, until)

    def acknowledgement(self, now: Moment) -> Acknowledgement:
        """Who acknowledges."""
        return Acknowledgement(self.user, self.host, self.comment, now.wall)

    def because(self, reason: str) -> Cause:
        """The same with another named reason."""
        return replace(self, reason=reason)


NOBODY = Cause()


@cache
def by_itself(reason: str) -> Cause:
    """A cause that is no person: one of the few named reasons of decisions, made once."""
    return Cause(reason=reason)


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to an alarm."""

    kind: EventKind
    before: Alarm
    cause: Cause = NOBODY
    raised: bool = False
    annunciate: bool = False
    publish: bool = True
    """False: its state record is as it was."""


class Emitter:
    """Collects the effects of a round."""

    def __init__(self, config: str, epoch: int, last_time: Nanos) -> None:
        self._config = config
        self._epoch = epoch
        self._n = 0
        self._time = last_time
        self.changes = Changes(NORMAL)
        self._gone: list[Talk] = []
        """What is to be said of alarms whose PV went."""
        self._held = 0
        """How many of those are of earlier rounds."""
        self._held_since: Moment | None = None
        self.late = False
        """What happens now came so long ago that it is no longer spoken of alone."""
        self._late = LateTalk("/" + config)
        self._many = 0
        """Alarms of the one sentence of this round."""

    def time(self, now: Moment) -> Nanos:
        """The time of an event: the engine's clock, held where that runs back."""
        self._time = max(self._time, now.wall)
        return self._time

    def _next_id(self) -> EventId:
        self._n += 1
        return EventId(self._config, self._epoch, self._n)

    def leaf(self, leaf: Leaf, happening: Happening, now: Moment) -> None:
        """Something happened to an alarm."""
        event_id = self._next_id()
        time = self.time(now)
        alarm = leaf.logic.alarm
        cause = happening.cause
        leaf.version = event_id
        if happening.raised:
            leaf.rise = event_id
        event = Event(
            id=event_id,
            time=time,
            kind=happening.kind,
            path=leaf.path,
            from_severity=happening.before.severity,
            to_severity=alarm.severity,
            reason=cause.reason,
            pv_time=leaf.current.time,
            description=leaf.settings.description,
            annunciated=happening.annunciate,
            user=cause.user,
            host=cause.host,
            comment=cause.comment,
            correlation=cause.correlation,
            snapshot=leaf.snapshot(),
        )
        if happening.publish:
            self.changes.steps.append(LeafChange(leaf.path, alarm, leaf.logic.current, leaf.extras(), event))
        else:
            self.changes.steps.append(event)
        if happening.annunciate:
            self._speak(annunciation(leaf.path, leaf.settings.description, alarm.severity), now.wall, gone=alarm.message == DISCONNECTED)

    def _speak(self, talk: Talk, raised: Nanos, *, gone: bool) -> None:
        if self.late:
            self._late.add(talk, raised)
            return
        self.changes.talks.append(talk)
        if gone:
            self._gone.append(talk)

    def left_unsaid(self, unsaid: Unsaid, now: Moment) -> None:
        """What the engine before had yet to say; of long ago it is no news, and is summed up with all else that is late."""
        age_s = 0.0 if unsaid.since is None else (now.wall - unsaid.since) / NANOS_PER_SECOND
        talk = unspoken("/" + self._config, unsaid.number, unsaid.worst, age_s)
        if unsaid.since is None or age_s > LATE_S:
            self._late.add(talk, unsaid.since)
        else:
            self.changes.talks.append(talk)

    def again(self, leaf: Leaf) -> None:
        """Publish a state to which nothing happened, as Phoebus does for every alarm that an acknowledgement reaches."""
        self.changes.steps.append(LeafChange(leaf.path, leaf.logic.alarm, leaf.logic.current, leaf.extras(), None))

    def nothing(self, path: str) -> None:
        """There is no alarm at a path."""
        self.changes.steps.append(Removal(path, None))

    def event(self, kind: EventKind, path: str, now: Moment, cause: Cause = NOBODY, result: CommandResult | None = None) -> None:
        """Something that is not about the state of one alarm."""
        self.changes.steps.append(
            Event(
                id=self._next_id(),
                time=self.time(now),
                kind=kind,
                path=path,
                from_severity=Severity.OK,
                to_severity=Severity.OK,
                reason=cause.reason,
                user=cause.user,
                host=cause.host,
                comment=cause.comment,
                correlation=cause.correlation,
                result=result,
            )
        )

    def took_over(self, path: str, cause: Cause, now: Moment, last_sign: Nanos | None) -> None:
        """An engine begins; before, none ran since `last_sign`."""
        self.event(EventKind.ENGINE, path, now, cause)
        event = self.changes.steps[-1]
        assert isinstance(event, Event)
        if last_sign is not None:
            self.changes.steps[-1] = replace(event, since=min(last_sign, event.time))

    def removed(self, leaf: Leaf, cause: Cause, now: Moment) -> None:
        """An alarm left the tree."""
        self.gone(leaf.path, leaf, cause, now)

    def gone(self, path: str, leaf: Leaf, cause: Cause, now: Moment) -> None:
        """An alarm is at a path no more."""
        self.left(path, leaf.logic.alarm.severity, leaf.settings.description, cause, now)

    def left(self, path: str, before: Severity, description: str, cause: Cause, now: Moment) -> None:
        """Of an alarm that is no more, only this is known."""
        event = Event(
            id=self._next_id(),
            time=self.time(now),
            kind=EventKind.REMOVED,
            path=path,
            from_severity=before,
            to_severity=Severity.OK,
            reason=cause.reason,
            description=description,
            user=cause.user,
            host=cause.host,
            comment=cause.comment,
        )
        self.changes.steps.append(Removal(path, event))
        self.changes.runtimes[path] = None

    def config(self, leaf: Leaf, cause: Cause) -> None:
        """The engine writes a configuration record."""
        self.rewrite(leaf.path, leaf.settings, cause)

    def rewrite(self, path: str, settings: Settings | None, cause: Cause) -> None:
        """The engine writes what is in force into the configuration; None: nothing is, the record is deleted."""
        self.changes.configs.append(ConfigWrite(path, settings, cause.user or "tocsin", cause.host))

    def talk(self, talk: Talk) -> None:
        """Something to say."""
        self.changes.talks.append(talk)

    def server(self, root: str, outcome: Outcome, now: Moment) -> None:
        """A server of PVs went, or is back."""
        went = isinstance(outcome, Went)
        self.changes.steps.append(
            Event(
                id=self._next_id(),
                time=self.time(now),
                kind=EventKind.SERVER,
                path=root,
                from_severity=Severity.OK,
                to_severity=Severity.OK,
                reason=SERVER_WENT if went else SERVER_BACK,
                pv_time=outcome.since if isinstance(outcome, Went) else outcome.time,
                description=sentence(outcome),
                host=outcome.server,
            )
        )

    @property
    def is_holding(self) -> bool:
        """Something is to be said soon."""
        return bool(self._held or self._late.number)

    @property
    def unsaid(self) -> Unsaid:
        """What a successor has to say should this engine end before it does."""
        number = self._held + self._late.number
        if not number:
            return Unsaid()
        held = self._held_since.wall if self._held_since is not None else None
        since = min((time for time in (held, self._late.first) if time is not None), default=None)
        return Unsaid(number, Severity.UNDEFINED if self._held else self._late.worst, since)

    def gather(self, now: Moment, *, more: bool) -> bool:
        """Make one sentence of alarms that could not be spoken in time, and one of many whose PVs went.

        Those that are still to come (`more`) are waited for, but not for long.

        Returns True if something will be said in this round.
        """
        changes, gone = self.changes, self._gone
        late = self._late.sum_up(now)
        if late is not None:
            changes.talks.append(late)
        if not gone:
            return bool(changes.talks)
        if self._held_since is None:
            self._held_since = now
        hold = more and now.monotonic - self._held_since.monotonic < LONGEST_HELD_NS
        if hold or len(gone) > MASS_DISCONNECT:
            fresh = {id(talk) for talk in gone}
            changes.talks = [talk for talk in changes.talks if id(talk) not in fresh]
        if hold:
            self._held = len(gone)
            return bool(changes.talks)
        if len(gone) > MASS_DISCONNECT:
            self._many = len(gone)
        else:
            changes.talks[:0] = gone[: self._held]
        self._gone, self._held, self._held_since = [], 0, None
        return True

    def take(self, root: str) -> Changes:
        """Everything collected; many alarms of PVs that went are spoken as one sentence."""
        changes, self.changes = self.changes, Changes(NORMAL)
        many, self._many = self._many, 0
        if many:
            changes.talks.append(mass_disconnect(root, many))
        return changes


def sentence(outcome: Outcome) -> str:
    """What became of a server, in words."""
    if isinstance(outcome, Went):
        return f"{outcome.server}: {outcome.pvs} of {outcome.total} PVs disconnected"
    away_s = outcome.away_ns / NANOS_PER_SECOND
    moved = f", now at {', '.join(outcome.elsewhere)}" if outcome.elsewhere else ""
    return f"{outcome.server}: {outcome.pvs} of {outcome.lost} PVs are back after {away_s:.0f} s{moved}"
