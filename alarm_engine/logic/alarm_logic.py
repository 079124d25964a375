"""Decisions about one alarm: latching, acknowledge, delay, count, enablement.

The rules are those of the Phoebus alarm server; every step of `tests/data/alarm_logic_cases.json` passes. Delays run on the monotonic
clock of the `Moment` that is handed in; the wall clock is only written into states.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from alarm_engine.model.settings import AlarmSettings
from alarm_engine.model.severity import ACKNOWLEDGED, PRIORITY, Severity
from alarm_engine.model.state import Alarm, Sample
from alarm_engine.model.times import Moment, Monotonic, Nanos

OK = Severity.OK
DISABLED = "Disabled"
_INVALID_PRIORITY = PRIORITY[Severity.INVALID]


class Outcome(NamedTuple):
    """What a decision came to."""

    reason: str
    """Named reason, for events and logs."""
    publish: bool
    """The state is to be published, even if the alarm itself is as before."""
    raised: bool = False
    """The alarm rose in update priority."""
    annunciate: bool = False
    """It is to be spoken."""


UNCHANGED = Outcome("same severity and message", publish=False)
TRACKED = Outcome("tracked while disabled", publish=False)
FOLLOWED = Outcome("the alarm did not change", publish=True)
CHANGED = Outcome("followed the PV", publish=True)
CLEARED = Outcome("back to normal", publish=True)
DELAYED = Outcome("waits for its delay", publish=True)
RAISED = Outcome("raised", publish=True, raised=True, annunciate=True)
RAISED_SILENTLY = Outcome("raised", publish=True, raised=True)
MAINTENANCE = Outcome("acknowledged by maintenance mode", publish=True)
EXPIRED = Outcome("the delay ran out after the PV was back", publish=False)
ACKNOWLEDGE = Outcome("acknowledged", publish=True)
UNACKNOWLEDGE = Outcome("unacknowledged", publish=True)
DISABLE = Outcome("disabled", publish=True)
ENABLE = Outcome("enabled", publish=False)


class AlarmLogic:
    """State of one alarm and the decisions that change it; owned by one evaluator."""

    __slots__ = (
        "alarm", "annunciating", "count", "current", "deadline", "delay_ns", "enabled", "latching", "pending", "priority", "ring",
        "saved",
    )  # fmt: skip

    def __init__(self, settings: AlarmSettings, current: Sample, alarm: Alarm) -> None:
        self.latching = settings.latching
        self.annunciating = settings.annunciating
        self.delay_ns = settings.delay_ns
        self.count = settings.count
        self.priority = False
        """Not silenced by maintenance mode (no Phoebus setting sets it)."""
        self.enabled = True
        self.current = current
        self.alarm = alarm
        self.pending: Alarm | None = None
        """Waits for `deadline`."""
        self.deadline: Monotonic | None = None
        self.saved: Sample | None = None
        """While disabled: what the PV says."""
        self.ring: deque[Nanos] | None = None
        """PV times of the last alarms while there is a delay and a count."""

    def sample(self, sample: Sample, now: Moment, maintenance: bool = False) -> Outcome:
        """The PV delivered."""
        if not self.enabled:
            self.saved = sample
            return TRACKED
        previous = self.current
        self.current = sample
        severity = sample[0]
        if severity == previous[0] and sample[1] == previous[1]:
            return UNCHANGED
        alarm = self.alarm
        before = alarm[0]
        if (severity == OK and not before.is_active) or (
            maintenance and severity < Severity.INVALID and PRIORITY[before] >= _INVALID_PRIORITY
        ):
            self.alarm = Alarm(OK, "OK", sample[2], sample[3])
            self.cancel()
        outcome = self._update(sample, now, maintenance, delayed=self.delay_ns > 0)
        return CLEARED if outcome is FOLLOWED and self.alarm[0] == OK and before != OK else outcome

    def expire(self, now: Moment, maintenance: bool = False) -> Outcome:
        """The delay ran out."""
        pending = self.pending
        if pending is None:
            return EXPIRED
        self.cancel()
        if not self.enabled or (self.current.severity == OK and self.current.time > pending.time):
            return EXPIRED
        return self._update(Sample(*pending[:4]), now, maintenance, delayed=False)

    def _update(self, sample: Sample, now: Moment, maintenance: bool, delayed: bool) -> Outcome:
        alarm = self.alarm
        candidate = self._candidate(sample, self.pending if delayed and self.pending is not None else alarm)
        if candidate is None:
            return self._silence(FOLLOWED, maintenance)
        if delayed and sample[0] != OK:
            self.pending = candidate
            if self.deadline is None:
                self.deadline = Monotonic(now.monotonic + self.delay_ns)
            if not self._counted(sample.time):
                return self._silence(DELAYED, maintenance)
            self.cancel()
        self.alarm = candidate
        if PRIORITY[candidate[0]] > PRIORITY[alarm[0]]:
            return self._silence(RAISED if self.annunciating else RAISED_SILENTLY, maintenance)
        return self._silence(CLEARED if candidate[0] == OK and alarm[0] != OK else CHANGED, maintenance)

    def _candidate(self, sample: Sample, base: Alarm) -> Alarm | None:
        severity, message, value, time = sample
        if self.latching:
            if PRIORITY[severity] > PRIORITY[base[0]]:
                return Alarm(severity, message, value, time, latch=True)
            return base._replace(latch=False) if base.latch else None
        if base[0].is_active or PRIORITY[severity] > PRIORITY[base[0]]:
            return Alarm(severity, message, value, time)
        return None

    def _silence(self, outcome: Outcome, maintenance: bool) -> Outcome:
        if maintenance and not self.priority and PRIORITY[self.alarm[0]] >= _INVALID_PRIORITY:
            self.alarm = self.alarm._replace(severity=ACKNOWLEDGED[self.alarm[0]])
            return MAINTENANCE
        return outcome

    def _counted(self, time: Nanos) -> bool:
        """True if this is the last of `count` alarms within the delay, by PV time."""
        if self.count <= 0:
            return False
        if self.ring is None or self.ring.maxlen != self.count:
            self.ring = deque(maxlen=self.count)
        self.ring.append(time)
        # A clock of an IOC that was set back must not make alarms of a whole day one group.
        if len(self.ring) == self.count and abs(time - self.ring[0]) <= self.delay_ns:
            self.ring.clear()
            return True
        return False

    def cancel(self) -> None:
        """Forget what waits for its delay."""
        self.pending = None
        self.deadline = None

    def acknowledge(self, now: Moment) -> Outcome:
        """Somebody took notice: an alarm whose PV is back to normal clears, a live one shows as acknowledged."""
        current = self.current
        if current.severity == OK:
            self.alarm = Alarm(OK, "OK", current.value, now.wall)
        elif current.severity < self.alarm.severity:
            self.alarm = Alarm(ACKNOWLEDGED[current.severity], *current[1:])
        else:
            self.alarm = Alarm(ACKNOWLEDGED[self.alarm.severity], *self.alarm[1:])
        return ACKNOWLEDGE

    def unacknowledge(self) -> Outcome:
        """Take it back: the alarm is what the PV says now, latched or not; never spoken."""
        self.alarm = Alarm(*self.current)
        return UNACKNOWLEDGE

    def disable(self, now: Moment) -> Outcome:
        """Out of sight; the PV goes on being tracked in `saved`."""
        if self.enabled:
            self.enabled = False
            self.saved = self.current
            self.current = Sample(OK, "OK", "", now.wall)
            self.alarm = Alarm(OK, DISABLED, "", now.wall)
        return DISABLE

    def enable(self, now: Moment, maintenance: bool = False) -> Outcome:
        """Back in sight: what was tracked counts as new, so a standing alarm is raised and spoken again."""
        if self.enabled:
            return ENABLE
        self.enabled = True
        if self.alarm.message == DISABLED:
            self.alarm = Alarm(OK, "OK", self.alarm.value, self.alarm.time)
        saved, self.saved = self.saved, None
        return self.sample(saved, now, maintenance) if saved is not None else ENABLE

    def restore(self, alarm: Alarm, current: Sample) -> None:
        """Put an alarm back that a disconnect or a suppression had hidden."""
        self.alarm = alarm
        self.current = current
        self.cancel()

    def follows(self) -> bool:
        """True for an active alarm that is not what the PV says: without latching it has no reason to stand."""
        active = self.enabled and self.alarm.severity.is_active and self.pending is None
        return active and self.alarm.severity != self.current.severity

    def restore_ring(self, times: tuple[Nanos, ...]) -> None:
        """Put the alarms back that `count` has seen."""
        if self.count > 0 and times:
            self.ring = deque(times, maxlen=self.count)

    def configure(self, settings: AlarmSettings, now: Moment) -> None:
        """Other settings; alarm, acknowledgement and PV stay. A running delay ends with the old or the new one, whichever is first."""
        self.latching = settings.latching
        self.annunciating = settings.annunciating
        if settings.count != self.count:
            self.ring = None
        self.count = settings.count
        self.delay_ns = settings.delay_ns
        if self.deadline is not None:
            self.deadline = Monotonic(min(self.deadline, now.monotonic + self.delay_ns))
