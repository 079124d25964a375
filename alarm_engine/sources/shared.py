"""One source for several configurations: what one of them watches no more, another may still need."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from alarm_engine.model.reading import Input
from alarm_engine.model.times import Monotonic
from alarm_engine.sources.port import Sink, Source, SourceStatus, Subscription


class SharedSource:
    """Hands on to every share, and counts which of them watches which PV; it neither starts nor closes the source.

    `deliver` may be called from any thread, the shares are used in one event loop.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._shares: list[Share] = []
        self._wanted: dict[str, dict[Share, bool]] = {}
        """By PV: who watches it, and whether with every change of its value."""
        self._last: dict[str, Input] = {}
        """What a newcomer is told: a subscription that stands says nothing again."""

    def share(self) -> Share:
        """The source as one more configuration sees it."""
        share = Share(self)
        with self._lock:
            self._shares.append(share)
        return share

    def deliver(self, inputs: Sequence[Input]) -> None:
        """The sink of the source."""
        with self._lock:  # else a newcomer could be told the last input after a newer one
            if len(self._shares) > 1:
                self._last.update((item.pv, item) for item in inputs if item.pv in self._wanted)
            for share in self._shares:
                # Nothing that only others watch, nor what it has just ceased to watch: whoever stands by keeps all that he is told.
                mine = [item for item in inputs if share in self._wanted.get(item.pv, ())]
                if mine:
                    share.sink(mine)

    def subscribe(self, share: Share, subscriptions: Iterable[Subscription]) -> None:
        """Watch more for a share."""
        merged: list[Subscription] = []
        known: list[Input] = []
        with self._lock:
            for pv, values in subscriptions:
                wanted = self._wanted.setdefault(pv, {})
                if not wanted:
                    self._last.pop(pv, None)
                elif share not in wanted and pv in self._last:
                    known.append(self._last[pv]._replace(arrival=Monotonic(time.monotonic_ns())))
                wanted[share] = values
                merged.append(Subscription(pv, any(wanted.values())))
            if known:
                share.sink(known)
        self._source.subscribe(merged)

    def unsubscribe(self, share: Share, pvs: Iterable[str]) -> None:
        """Stop watching for a share; the source goes on where others watch too."""
        unwanted: list[str] = []
        with self._lock:
            for pv in pvs:
                wanted = self._wanted.get(pv, {})
                wanted.pop(share, None)
                if not wanted:
                    self._wanted.pop(pv, None)
                    self._last.pop(pv, None)
                    unwanted.append(pv)
        if unwanted:
            self._source.unsubscribe(unwanted)

    def watched(self, share: Share) -> list[str]:
        """What a share watches."""
        with self._lock:
            return [pv for pv, wanted in self._wanted.items() if share in wanted]

    def status(self) -> SourceStatus:
        """How the source is doing."""
        return self._source.status()


class Share:
    """What one configuration sees of the source."""

    def __init__(self, shared: SharedSource) -> None:
        self._shared = shared
        self.sink: Sink = _nowhere
        """Where inputs go; set before the first subscription."""

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch more variables."""
        self._shared.subscribe(self, subscriptions)

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """Stop watching."""
        self._shared.unsubscribe(self, pvs)

    @property
    def watched(self) -> list[str]:
        """Variables that are watched."""
        return self._shared.watched(self)

    def status(self) -> SourceStatus:
        """How the source is doing, all configurations together."""
        return self._shared.status()


def _nowhere(inputs: Sequence[Input]) -> None:
    """Until a share has a sink."""
