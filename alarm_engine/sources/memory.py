"""A source whose process variables are pushed by hand: for tests, and for trying an engine without any network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from alarm_engine.errors import SourceError
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.sources.port import Sink, SourceStatus, Subscription


class MemorySource:
    """Hands on what it is given, at once and in the caller's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sink: Sink | None = None
        self._connected: set[str] = set()
        self.subscriptions: dict[str, Subscription] = {}
        """What is watched, by the name of the PV."""

    @property
    def subscribed(self) -> set[Subscription]:
        """What is watched."""
        return set(self.subscriptions.values())

    def start(self, sink: Sink) -> None:
        """Begin to deliver; `SourceError` if it was started already."""
        if self._sink is not None:
            raise SourceError("the source was started already")
        self._sink = sink

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch more variables."""
        with self._lock:
            self.subscriptions.update({s.pv: s for s in subscriptions})

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """Stop watching."""
        with self._lock:
            for pv in pvs:
                self.subscriptions.pop(pv, None)
                self._connected.discard(pv)

    def status(self) -> SourceStatus:
        """Always up to date."""
        return SourceStatus(len(self.subscriptions), len(self._connected), 0.0, 0)

    def close(self) -> None:
        """Deliver nothing more."""
        self._sink = None

    def put(self, pv: str, severity: Severity, message: str, *, value: str = "", pv_time: Nanos | None = None) -> None:
        """A sample; the time stamp is now if none is given."""
        self._deliver(Reading(pv, severity, message, value, _now() if pv_time is None else pv_time, _monotonic()))

    def connect(self, pv: str, server: str = "memory") -> None:
        """The variable is there."""
        self._connected.add(pv)
        self._deliver(Connection(pv, True, server, _now(), _monotonic()))

    def disconnect(self, pv: str, server: str = "memory") -> None:
        """The variable went."""
        self._connected.discard(pv)
        self._deliver(Connection(pv, False, server, _now(), _monotonic()))

    def fail(self, pv: str, problem: str) -> None:
        """The variable cannot be created."""
        self._deliver(Failure(pv, problem, _now(), _monotonic()))

    def _deliver(self, item: Input) -> None:
        if self._sink is not None and item.pv in self.subscriptions:
            self._sink([item])


def _now() -> Nanos:
    return Nanos(time.time_ns())


def _monotonic() -> Monotonic:
    return Monotonic(time.monotonic_ns())
