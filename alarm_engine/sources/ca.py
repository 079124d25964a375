"""Process variables over Channel Access.

One thread makes every call to libca and drains one queue, into which callbacks put what they get; so a slow evaluator never holds up the
network, and no call to libca is ever made inside a callback. The queue has no bound: nothing is dropped or merged here, `status` tells how
much waits.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from alarm_engine.errors import SourceError
from alarm_engine.model.reading import Connection, Failure, Input, Reading
from alarm_engine.model.times import Monotonic, Nanos
from alarm_engine.sources.ca_channels import BadName, Channel, Channels, name_of
from alarm_engine.sources.ca_library import (
    CaLibrary,
    ConnectionEvent,
    LabelsEvent,
    LibraryMessage,
    RefusedEvent,
    ValueEvent,
    prepare_environment,
)
from alarm_engine.sources.ca_values import Value, decode, decode_labels, no_value
from alarm_engine.sources.port import Sink, SourceStatus, Subscription

log = structlog.get_logger()

_BATCH = 5000
_TICK_S = 0.25
"""How often an idle source says that it is alive."""
_MUSTER_S, _LONGEST_MUSTER_S = 0.03, 0.3
"""An IOC that goes takes all its PVs: after a loss, wait for more until none comes for the one, and no longer than the other."""
_DIFFERENT_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class CaSettings:
    """Where PVs are searched. What is not given is left to the EPICS_CA_ environment variables."""

    addr_list: tuple[str, ...] | None = None
    """Addresses `host` or `host:port` that are asked over UDP."""
    auto_addr_list: bool | None = None
    """Ask all networks of this machine too."""
    name_servers: tuple[str, ...] = ()
    """IOCs, gateways or name servers `host:port` that are asked over TCP."""
    server_timeout_s: float | None = None
    """Silence after which a server is asked for a sign of life; without one for 5 s more it counts as gone."""

    def environment(self) -> dict[str, str]:
        """The variables that libca reads when it starts."""
        wanted: dict[str, str] = {}
        if self.addr_list is not None:
            wanted["EPICS_CA_ADDR_LIST"] = " ".join(self.addr_list)
        if self.auto_addr_list is not None:
            wanted["EPICS_CA_AUTO_ADDR_LIST"] = "YES" if self.auto_addr_list else "NO"
        if self.name_servers:
            wanted["EPICS_CA_NAME_SERVERS"] = " ".join(self.name_servers)
        if self.server_timeout_s is not None:
            wanted["EPICS_CA_CONN_TMO"] = str(self.server_timeout_s)
        return wanted


@dataclass(frozen=True, slots=True)
class _Request:
    subscribe: tuple[Subscription, ...] = ()
    unsubscribe: tuple[str, ...] = ()


class CaSource:
    """Channel Access by pyepics' libca.

    Names are `ca://NAME` or `NAME`. For a moment after an edit of the labels of an enumeration on the IOC, or before they are known, its
    value is a number. A PV that may not be read is INVALID / `READ_ACCESS_ALARM`: being connected without a value must not look quiet.
    """

    def __init__(self, settings: CaSettings | None = None) -> None:
        self._settings = settings or CaSettings()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._drained = time.monotonic()
        self._thread: threading.Thread | None = None
        self._channels: Channels | None = None

    def start(self, sink: Sink) -> None:
        """Begin to deliver; raises `SourceError` if libca cannot be used, or runs with other addresses already."""
        if self._channels is not None:
            raise SourceError("the source was started already")
        prepare_environment(self._settings.environment())
        library = CaLibrary(self._queue.put)
        self._channels = Channels(library)
        drain = _Drain(self._channels, sink)
        self._drained = time.monotonic()
        self._thread = threading.Thread(target=self._work, args=(library, drain), name="channel access", daemon=True)
        self._thread.start()
        # A callback during the shutdown of Python would crash it.
        atexit.register(self.close)

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Watch more variables; names may begin with `ca://`."""
        self._queue.put(_Request(subscribe=tuple(subscriptions)))

    def unsubscribe(self, pvs: Iterable[str]) -> None:
        """Stop watching."""
        self._queue.put(_Request(unsubscribe=tuple(pvs)))

    def status(self) -> SourceStatus:
        """How it is doing."""
        channels = self._channels
        total, connected = (channels.total, channels.connected) if channels is not None else (0, 0)
        return SourceStatus(total, connected, time.monotonic() - self._drained, self._queue.qsize())

    def close(self) -> None:
        """End all channels and the thread; may be called again. Waits for a sink that is running."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
            atexit.unregister(self.close)

    def _work(self, library: CaLibrary, drain: _Drain) -> None:
        library.attach()
        try:
            while drain.hand_on(self._take()):
                self._drained = time.monotonic()
        except Exception:
            # Without its thread the source is blind: its age grows, the engine stops to give life signs, and clients say stale.
            log.critical("channel access has failed, no PV is watched any more", exc_info=True)
        finally:
            drain.channels.close()
            library.detach()

    def _take(self) -> list[Any]:
        """What waits, up to a batch; empty after a tick without anything."""
        take, items = self._queue.get_nowait, []
        try:
            items.append(self._queue.get(timeout=_TICK_S))
            for _ in range(_BATCH - 1):
                items.append(take())
        except queue.Empty:
            pass
        return self._mustered(items)

    def _mustered(self, items: list[Any]) -> list[Any]:
        """The batch, and if PVs are going, what comes on its heels: many at once are one event, and one sentence."""
        if not any(isinstance(item, ConnectionEvent) and not item.up for item in items):
            return items
        end = time.monotonic() + _LONGEST_MUSTER_S
        try:
            while items[-1] is not None and time.monotonic() < end:
                items.append(self._queue.get(timeout=_MUSTER_S))
        except queue.Empty:
            pass
        return items


class _Drain:
    """Turns what callbacks and callers have queued into inputs for the sink."""

    def __init__(self, channels: Channels, sink: Sink) -> None:
        self.channels = channels
        self._sink = sink
        self._inputs: list[Input] = []
        self._said: set[str] = set()
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            ValueEvent: self._value,
            RefusedEvent: self._refused,
            ConnectionEvent: self._connection,
            LabelsEvent: self._labels,
            LibraryMessage: self._message,
            _Request: self._request,
        }

    def hand_on(self, items: Sequence[Any]) -> bool:
        """One batch; False once the source is closed, and then the sink is not called again."""
        # Arrivals are monotonic; this is what makes a time of day of them.
        offset = time.time_ns() - time.monotonic_ns()
        for item in items:
            if item is None:
                return False
            self._handlers[type(item)](item, offset)
        self.channels.recover(time.monotonic_ns())
        self.channels.flush()
        if self._inputs:
            inputs, self._inputs = self._inputs, []
            self._sink(inputs)
        return True

    def _value(self, event: ValueEvent, offset: int) -> None:
        channel = self.channels.by_number.get(event.number)
        if channel is not None:
            value = decode(event.data, event.kind, event.elements, channel.form, Nanos(event.arrival + offset))
            self._reading(channel, value, event.arrival)

    def _refused(self, event: RefusedEvent, offset: int) -> None:
        channel = self.channels.by_number.get(event.number)
        if channel is not None:
            log.warning("PV cannot be read", pv=channel.subscription.pv, server=channel.server, ca_status=event.status)
            self._reading(channel, no_value(event.status, Nanos(event.arrival + offset)), event.arrival)

    def _reading(self, channel: Channel, value: Value, arrival: int) -> None:
        self._inputs.append(Reading(channel.subscription.pv, *value, Monotonic(arrival)))

    def _connection(self, event: ConnectionEvent, offset: int) -> None:
        channel = self.channels.by_number.get(event.number)
        if channel is None or channel.connected == event.up:
            return
        if event.up and not self.channels.came(channel, event.arrival):
            return  # gone again: that event is on its way
        if not event.up:
            self.channels.went(channel, event.arrival)
        wall, arrival = Nanos(event.arrival + offset), Monotonic(event.arrival)
        self._inputs.append(Connection(channel.subscription.pv, event.up, channel.server, wall, arrival))

    def _labels(self, event: LabelsEvent, _: int) -> None:
        channel = self.channels.by_number.get(event.number)
        if channel is not None:
            channel.form = channel.form._replace(labels=decode_labels(event.data))

    def _message(self, message: LibraryMessage, _: int) -> None:
        # libca repeats itself with every attempt, and does not say which address it means.
        if message.text in self._said or len(self._said) > _DIFFERENT_MESSAGES:
            log.debug("libca says", text=message.text)
        else:
            self._said.add(message.text)
            log.warning("libca says", text=message.text)

    def _request(self, request: _Request, _: int) -> None:
        for pv in request.unsubscribe:
            self.channels.remove(pv)
        for subscription in request.subscribe:
            try:
                if not self.channels.change(subscription):
                    self.channels.add(subscription, name_of(subscription.pv))
            except BadName as problem:
                log.warning("PV cannot be created", pv=subscription.pv, problem=str(problem))
                now = Nanos(time.time_ns()), Monotonic(time.monotonic_ns())
                self._inputs.append(Failure(subscription.pv, f"No PV: {problem}", *now))
