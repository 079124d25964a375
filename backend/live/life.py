"""Whether what is shown can be trusted: the life sign of the engine, judged by our own clock."""

from __future__ import annotations

from alarm_engine.model.state import EventId
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos

STALE_AFTER_S = 5.0
PHOEBUS_STALE_AFTER_S = 30.0
"""A Phoebus server writes the state of the root when it has written nothing for 10 s; its clients wait for three times that."""
_STALE_AFTER_NS = round(STALE_AFTER_S * NANOS_PER_SECOND)


class LifeSign:
    """The last life sign of the engine of one configuration, or of its Phoebus server."""

    def __init__(self, stale_after_s: float = STALE_AFTER_S) -> None:
        self._stale_after_ns = round(stale_after_s * NANOS_PER_SECOND)
        self.status: EngineStatus | None = None
        self._last_event: EventId | None = None
        self._alive_at: Monotonic | None = None
        self._behind_since: Monotonic | None = None

    def take(self, status: EngineStatus, live: bool, now: Moment) -> None:
        """A life sign was read.

        `live`: it has just been written, since everything before it was read already; then only our own clock counts. Otherwise it may
        be a recording of long ago: its time of day says how old it is; one of a time to come says nothing. Raises `ValueError` for one
        that cannot be read.
        """
        if self.status is not None and status.epoch < self.status.epoch:
            return  # an engine that lost the configuration and does not know it yet
        self._last_event = EventId.parse(status.last_event) if status.last_event else None
        self.status = status
        self.heard(status.time, live, now)

    def heard(self, time: Nanos, live: bool, now: Moment) -> None:
        """Something was read that only who is alive writes; arguments as those of `take`."""
        age_ns = 0 if live else now.wall - time
        if age_ns >= 0:
            self._alive_at = Monotonic(now.monotonic - age_ns)

    def compare(self, as_of: EventId | None, now: Moment) -> None:
        """Look whether we have all the events that the engine says it has written."""
        if not self._is_behind(as_of):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now.monotonic

    def _is_behind(self, as_of: EventId | None) -> bool:
        # With nothing read from the events topic there is nothing to compare: all of it may have been forgotten by retention.
        return as_of is not None and self._last_event is not None and self._last_event[1:] > as_of[1:]

    def age_s(self, now: Moment) -> float | None:
        """Since the last life sign; None: there never was one."""
        return None if self._alive_at is None else (now.monotonic - self._alive_at) / NANOS_PER_SECOND

    def is_stale(self, now: Moment) -> bool:
        """No life sign for too long or ever, or events have been missing for that long."""
        if self._alive_at is None or now.monotonic - self._alive_at > self._stale_after_ns:
            return True
        return self._behind_since is not None and now.monotonic - self._behind_since > _STALE_AFTER_NS
