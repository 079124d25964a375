"""Process variables over Channel Access.

One thread makes every call to libca and drains one queue, into which callbacks put what they get; so a slow evaluator never holds up the
network, and no call to libca is ever made inside a callback.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from alarm_engine.errors import SourceError
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.sources.ca_library import DBE_ALARM, DBE_VALUE, CaLibrary, ConnectionEvent, LabelsEvent, ValueEvent, prepare_environment
from alarm_engine.sources.ca_values import CHAR, ENUM, MAX_ELEMENTS, decode, decode_labels
from alarm_engine.sources.port import Sink, SourceStatus, Subscription

log = structlog.get_logger()

_BATCH = 5000
_TICK_S = 0.25
_LONG_STRING_ELEMENTS = 1000


@dataclass(frozen=True, slots=True)
class CaSettings:
    """Where PVs are searched. What is not given is left to the EPICS_CA_ environment variables."""

    addr_list: tuple[str, ...] | None = None
    auto_addr_list: bool | None = None
    name_servers: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """The variables that libca reads when it starts."""
        wanted: dict[str, str] = {}
        if self.addr_list is not None:
            wanted["EPICS_CA_ADDR_LIST"] = " ".join(self.addr_list)
        if self.auto_addr_list is not None:
            wanted["EPICS_CA_AUTO_ADDR_LIST"] = "YES" if self.auto_addr_list else "NO"
        if self.name_servers:
            wanted["EPICS_CA_NAME_SERVERS"] = " ".join(self.name_servers)
        return wanted


@dataclass(slots=True)
class _Channel:
    subscription: Subscription
    number: int
    name: str
    """As libca has it: without protocol."""
    chid: int = 0
    connected: bool = False
    monitor: int | None = None
    shape: tuple[int, int] = (-1, 0)
    """Native type and number of elements that the monitor asks for."""
    labels: tuple[str, ...] = ()

    @property
    def is_long_string(self) -> bool:
        return self.name.endswith("$")


@dataclass(frozen=True, slots=True)
class _Request:
    subscribe: tuple[Subscription, ...] = ()
    unsubscribe: tuple[str, ...] = ()


@dataclass(slots=True)
class _Table:
    by_pv: dict[str, _Channel] = field(default_factory=dict)
    by_number: dict[int, _Channel] = field(default_factory=dict)
    by_chid: dict[int, _Channel] = field(default_factory=dict)


class CaSource:
    """Channel Access by pyepics' libca."""

    def __init__(self, settings: CaSettings | None = None) -> None:
        self._settings = settings or CaSettings()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._table = _Table()
        self._next_number = 1
        self._connected = 0
        self._drained = time.monotonic()
        self._thread: threading.Thread | None = None
        self._library: CaLibrary | None = None
        self._sink: Sink | None = None

    def start(self, sink: Sink) -> None:
        """Begin to deliver; raises `SourceError` if libca cannot be used."""
        if self._thread is not None:
            raise SourceError("the source was started already")
        prepare_environment(self._settings.environment())
        self._library = CaLibrary(self._queue.put)
        self._sink = sink
        self._thread = threading.Thread(target=self._work, name="channel access", daemon=True)
        self._thread.start()

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch more variables; names may begin with `ca://`."""
        self._queue.put(_Request(subscribe=tuple(subscriptions)))

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """Stop watching."""
        self._queue.put(_Request(unsubscribe=tuple(pvs)))

    def status(self) -> SourceStatus:
        """How it is doing."""
        return SourceStatus(len(self._table.by_pv), self._connected, time.monotonic() - self._drained, self._queue.qsize())

    def close(self) -> None:
        """End all channels and the thread; may be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    # ------------------------------------------------------------------ the one thread

    def _work(self) -> None:
        assert self._library is not None
        self._library.attach()
        try:
            running = True
            while running:
                running = self._drain()
        finally:
            for channel in self._table.by_pv.values():
                if channel.chid:
                    self._library.clear(channel.chid)
            self._library.flush()
            self._library.detach()

    def _drain(self) -> bool:
        """One batch; False when the source is closed."""
        items: list[Any] = []
        try:
            items.append(self._queue.get(timeout=_TICK_S))
            while len(items) < _BATCH:
                items.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        inputs: list[Input] = []
        running = True
        wall, arrival = Nanos(time.time_ns()), Monotonic(time.monotonic_ns())
        for item in items:
            if type(item) is ValueEvent:
                self._value(item, wall, arrival, inputs)
            elif item is None:
                running = False
            else:
                self._other(item, wall, arrival, inputs)
        if inputs and running and self._sink is not None:
            self._sink(inputs)
        self._drained = time.monotonic()
        return running

    def _value(self, event: ValueEvent, wall: Nanos, arrival: Monotonic, inputs: list[Input]) -> None:
        channel = self._table.by_number.get(event.number)
        if channel is None:
            return
        severity, message, text, stamp = decode(event.data, event.kind, event.elements, channel.labels, channel.is_long_string)
        inputs.append(Reading(channel.subscription.pv, severity, message, text, wall if stamp is None else stamp, arrival))

    def _other(self, item: Any, wall: Nanos, arrival: Monotonic, inputs: list[Input]) -> None:
        if isinstance(item, ConnectionEvent):
            channel = self._table.by_chid.get(item.channel)
            if channel is not None:
                server = self._connection(channel, item.up)
                inputs.append(Connection(channel.subscription.pv, item.up, server, wall, arrival))
        elif isinstance(item, LabelsEvent):
            channel = self._table.by_number.get(item.number)
            if channel is not None:
                channel.labels = decode_labels(item.data)
        else:
            for pv in item.unsubscribe:
                self._remove(pv)
            for subscription in item.subscribe:
                problem = self._add(subscription)
                if problem:
                    log.warning("PV cannot be created", pv=subscription.pv, problem=problem)
                    inputs.append(Failure(subscription.pv, problem, wall, arrival))
            if self._library is not None:
                self._library.flush()

    def _add(self, subscription: Subscription) -> str:
        """Create a channel, or change what is asked of it; returns what is wrong with the name."""
        assert self._library is not None
        known = self._table.by_pv.get(subscription.pv)
        if known is not None:
            if known.subscription != subscription:
                known.subscription = subscription
                if known.connected:
                    self._monitor(known, known.shape)
            return ""
        protocol, separator, name = subscription.pv.rpartition("://")
        if separator and protocol != "ca":
            return f"{protocol}:// is not a protocol of this source, only ca:// is"
        if name.startswith("="):
            return "formulas are not PVs of Channel Access"
        if not name or not name.isprintable() or " " in name:
            return f"{name!r} is not a name of a PV"
        channel = _Channel(subscription, self._next_number, name)
        chid = self._library.create(name)
        if chid is None:
            return f"Channel Access refuses the name {name!r}"
        channel.chid = chid
        self._next_number += 1
        self._table.by_pv[subscription.pv] = channel
        self._table.by_number[channel.number] = channel
        self._table.by_chid[chid] = channel
        return ""

    def _remove(self, pv: str) -> None:
        assert self._library is not None
        channel = self._table.by_pv.pop(pv, None)
        if channel is None:
            return
        del self._table.by_number[channel.number]
        del self._table.by_chid[channel.chid]
        self._connected -= channel.connected
        self._library.clear(channel.chid)

    def _connection(self, channel: _Channel, up: bool) -> str:
        """Keep count, and ask for values with the type that the channel has now; returns the server."""
        assert self._library is not None
        self._connected += up - channel.connected
        channel.connected = up
        if not up:
            return ""
        native = self._library.native_type(channel.chid)
        if native < 0:
            return ""  # gone again: that event is on its way
        count = self._library.element_count(channel.chid)
        most = _LONG_STRING_ELEMENTS if channel.is_long_string and native == CHAR else MAX_ELEMENTS
        shape = (native, max(1, min(count, most)))
        if native == ENUM:
            self._library.request_labels(channel.chid, channel.number)
        if shape != channel.shape or channel.monitor is None:
            self._monitor(channel, shape)
        self._library.flush()
        return self._library.host(channel.chid)

    def _monitor(self, channel: _Channel, shape: tuple[int, int]) -> None:
        """(Re)create the monitor: libca resumes one by itself after a reconnect, but only with the old type and mask."""
        assert self._library is not None
        if channel.monitor is not None:
            self._library.unsubscribe(channel.monitor)
        channel.shape = shape
        mask = DBE_ALARM | DBE_VALUE if channel.subscription.values else DBE_ALARM
        channel.monitor = self._library.subscribe(channel.chid, channel.number, shape, mask)
