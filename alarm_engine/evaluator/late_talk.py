"""What could not be spoken in time: kept until all of it has come, then said in one sentence."""

from __future__ import annotations

from alarm_engine.logic.talk import Talk, missed
from alarm_engine.model.severity import PRIORITY, Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos

LONGEST_HELD_NS = 5 * NANOS_PER_SECOND


class LateTalk:
    """Of one configuration."""

    def __init__(self, root: str) -> None:
        """`root`: path of the configuration."""
        self._root = root
        self._talks: list[Talk] = []
        self._since: Monotonic | None = None
        self._grows = False
        """Some are of this round."""
        self.worst = Severity.OK
        self.first: Nanos | None = None
        """When the first of them was raised, None if that is not known."""

    @property
    def number(self) -> int:
        """Of how many alarms it tells."""
        return sum(talk.alarms for talk in self._talks)

    def add(self, talk: Talk, raised: Nanos | None) -> None:
        """One more; `raised` by the wall clock, None: not known."""
        self._talks.append(talk)
        self.worst = max(self.worst, talk.severity, key=PRIORITY.__getitem__)
        self.first = min((time for time in (self.first, raised) if time is not None), default=None)
        self._grows = True

    def sum_up(self, now: Moment) -> Talk | None:
        """At the end of a round: what is to be said. None: nothing, or more may come."""
        if not self._talks:
            return None
        said = None
        since = self._since = self._since or now.monotonic
        if not self._grows or now.monotonic - since > LONGEST_HELD_NS:
            age_s = 0.0 if self.first is None else (now.wall - self.first) / NANOS_PER_SECOND
            said = missed(self._root, self._talks, age_s)
            self._talks, self._since, self.first, self.worst = [], None, None, Severity.OK
        self._grows = False
        return said
