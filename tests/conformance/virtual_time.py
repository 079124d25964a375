"""A clock that a replay moves by hand, and Channel Access seen through it.

Dead time costs nothing, and delays, dates, time-outs, reminders and life signs come at exactly the recorded distance from the steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from alarm_engine.model.reading import Connection, Input, Reading
from alarm_engine.model.times import NANOS_PER_SECOND, Moment, Monotonic, Nanos
from alarm_engine.sources.port import Sink, Source, SourceStatus, Subscription

_WALL_AT_ZERO = Nanos(1_795_350_862_980_000_000)
"""2026-11-22T12:34:22.98Z: dates in steps were whole seconds, which came 20 ms after the same fraction of the steps."""
_MONOTONIC_AT_ZERO = 1_000_000 * NANOS_PER_SECOND


class VirtualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._passed = 0

    def now(self) -> Moment:
        """See `Clock.now`."""
        return Moment(Nanos(_WALL_AT_ZERO + self._passed), Monotonic(_MONOTONIC_AT_ZERO + self._passed))

    @property
    def seconds(self) -> float:
        """On the scale of the recording."""
        return self._passed / NANOS_PER_SECOND

    def move_to(self, seconds: float) -> None:
        """Never backwards, but from before the beginning."""
        self._passed = round(seconds * NANOS_PER_SECOND)

    def seconds_of(self, monotonic: Monotonic) -> float:
        """When a deadline is, on the scale of the recording."""
        return (monotonic - _MONOTONIC_AT_ZERO) / NANOS_PER_SECOND


class VirtualSource:
    """A source whose samples bear the time of the virtual clock; tells what has been heard of, and of its marker.

    The marker is a variable of the same IOC that the replay counts up: Channel Access keeps the order on one circuit, so all that was
    put before it has been handed on when it is seen.
    """

    def __init__(self, inner: Source, clock: VirtualClock, marker: str) -> None:
        self._inner = inner
        self._clock = clock
        self._marker = marker
        self._lock = threading.Lock()
        self._sink: Sink | None = None
        self._stamps: dict[tuple[str, Nanos], Nanos] = {}
        self._wanted: set[str] = set()
        self._heard: set[str] = set()
        self.marked = -1
        """Last value of the marker that was seen while it was connected."""
        self.delivered = 0
        """Inputs that were handed on."""

    def start(self, sink: Sink) -> None:
        """See `Source.start`."""
        self._sink = sink
        self._inner.start(self._deliver)
        self._inner.subscribe([Subscription(self._marker, True)])

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """See `Watching.subscribe`."""
        subscriptions = tuple(subscriptions)
        with self._lock:
            self._wanted.update(s.pv for s in subscriptions)
        self._inner.subscribe(subscriptions)

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """See `Watching.unsubscribe`."""
        pvs = tuple(pvs)
        with self._lock:
            self._wanted.difference_update(pvs)
            self._heard.difference_update(pvs)
        self._inner.unsubscribe(pvs)

    def status(self) -> SourceStatus:
        """See `Watching.status`."""
        return self._inner.status()

    def close(self) -> None:
        """See `Source.close`."""
        self._inner.close()

    def unheard(self, served: frozenset[str]) -> set[str]:
        """Variables that are watched and served, and have not delivered since they were subscribed or connected."""
        with self._lock:
            return (self._wanted & served) - self._heard

    def connected(self, served: frozenset[str]) -> set[str]:
        """Variables of an IOC that still count as there."""
        with self._lock:
            return self._heard & (served | {self._marker})

    def _deliver(self, inputs: Sequence[Input]) -> None:
        now = self._clock.now()
        assert self._sink is not None
        self._sink([self._timed(item, now) for item in inputs if item.pv != self._marker])
        with self._lock:
            self.delivered += len(inputs)
            for item in inputs:
                if isinstance(item, Reading):
                    self._heard.add(item.pv)
                    if item.pv == self._marker:
                        self.marked = int(item.value)
                elif isinstance(item, Connection) and not item.up:
                    self._heard.discard(item.pv)
                    if item.pv == self._marker:
                        self.marked = -1

    def _timed(self, item: Input, now: Moment) -> Input:
        if not isinstance(item, Reading):
            return item._replace(wall=now.wall, arrival=now.monotonic)
        # Samples at one standstill of the clock still follow each other; a sample that is told again bears its old time.
        stamp = self._stamps.setdefault((item.pv, item.pv_time), Nanos(now.wall + len(self._stamps)))
        return item._replace(pv_time=stamp, arrival=now.monotonic)
