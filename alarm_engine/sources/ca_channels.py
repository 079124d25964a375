"""The channels of a Channel Access source: created, monitored, counted and cleared. All of it in one thread."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.sources.ca_library import DBE_ALARM, DBE_VALUE, CaLibrary
from alarm_engine.sources.ca_recovery import Recovery
from alarm_engine.sources.ca_values import ENUM, TIME_FIRST, Form, request_count
from alarm_engine.sources.port import Subscription

_PROTOCOL = "ca"


class BadName(ValueError):
    """A name that no PV of Channel Access can have; the message says why."""


def name_of(pv: str) -> str:
    """What libca is asked for: the name without protocol. Raises `BadName`."""
    protocol, separator, rest = pv.partition("://")
    if separator and protocol != _PROTOCOL:
        raise BadName(f"{protocol}:// is not a protocol of this source, only {_PROTOCOL}:// is")
    name = rest if separator else pv
    if name.startswith("="):
        raise BadName("formulas are not PVs of Channel Access")
    record = name.partition(".{")[0]
    # Blanks may stand in the modifiers of a channel only: `NAME.{"dbnd": {"d": 1}}`.
    if not record or not name.isprintable() or any(character.isspace() for character in record):
        raise BadName(f"{name!r} is not a name of a PV")
    return name


@dataclass(slots=True)
class Channel:
    """One subscription, being searched or connected."""

    subscription: Subscription
    number: int
    handle: int
    form: Form
    connected: bool = False
    server: str = ""
    """`host:port` where it is, or was last."""
    native: int = -1
    monitors: tuple[int | None, ...] = ()


class Channels:
    """The table of channels."""

    def __init__(self, library: CaLibrary) -> None:
        self._library = library
        self._by_pv: dict[str, Channel] = {}
        self.by_number: dict[int, Channel] = {}
        self._last_number = 0
        self._recovery = Recovery()
        self._asked = False
        """Something waits in libca to be sent."""
        self.connected = 0

    @property
    def total(self) -> int:
        """Channels that exist, connected or not."""
        return len(self._by_pv)

    def add(self, subscription: Subscription, name: str) -> None:
        """Search for a PV. Raises `BadName` if libca does not take the name."""
        self._asked = True
        self._last_number += 1
        number = self._last_number
        handle = self._library.create(name, number)
        if handle is None:
            raise BadName(f"Channel Access refuses the name {name!r}")
        channel = Channel(subscription, number, handle, Form(long_string=name.endswith("$")))
        self._by_pv[subscription.pv] = channel
        self.by_number[number] = channel

    def change(self, subscription: Subscription) -> bool:
        """Ask another thing of a PV that is watched already; False if it is not."""
        channel = self._by_pv.get(subscription.pv)
        if channel is None:
            return False
        if channel.subscription != subscription:
            channel.subscription = subscription
            if channel.connected:
                self._monitor(channel)
        return True

    def remove(self, pv: str) -> None:
        """Watch it no more; nothing happens if it is not watched."""
        channel = self._by_pv.pop(pv, None)
        if channel is not None:
            self._asked = True
            del self.by_number[channel.number]
            self._recovery.removed(channel.number)
            self.connected -= channel.connected
            self._library.clear(channel.handle)

    def came(self, channel: Channel, now: int) -> bool:
        """It is connected: ask for its values, in the type that it has now. False if it has gone again meanwhile."""
        native = self._library.native_type(channel.handle)
        if native < 0:
            return False
        channel.connected, channel.native = True, native
        channel.server = self._library.host(channel.handle)
        channel.form = channel.form._replace(size=self._library.element_count(channel.handle))
        self.connected += 1
        self._recovery.came(channel.number, now)
        self._monitor(channel)
        return True

    def went(self, channel: Channel, now: int) -> None:
        """It is gone. libca would resume its monitors by itself, but with the type that the record had."""
        channel.connected = False
        self.connected -= 1
        self._end_monitors(channel)
        self._recovery.went(channel.number, channel.server, now)

    def recover(self, now: int) -> None:
        """Look again for what was lost, where it is time to; to be called now and then. Times are monotonic nanoseconds."""
        for number in self._recovery.due(now):
            channel = self.by_number[number]
            self._last_number += 1
            handle = self._library.create(name_of(channel.subscription.pv), self._last_number)
            if handle is None:
                continue  # the one that is there goes on
            self._asked = True
            self._library.clear(channel.handle)
            channel.number, channel.handle = self._last_number, handle
            self._recovery.renewed(number, channel.number)
            self.by_number[channel.number] = self.by_number.pop(number)

    def flush(self) -> None:
        """Send all that was asked."""
        if self._asked:
            self._asked = False
            self._library.flush()

    def close(self) -> None:
        """Clear all of them."""
        for channel in self._by_pv.values():
            self._library.clear(channel.handle)
        self._by_pv.clear()
        self.by_number.clear()
        self.connected = 0
        self._asked = True
        self.flush()

    def _monitor(self, channel: Channel) -> None:
        self._end_monitors(channel)
        # The server answers in this order, so labels are there before the first value.
        labels = self._library.subscribe_labels(channel.handle, channel.number) if channel.native == ENUM else None
        count = request_count(channel.native, channel.form.size, channel.form.long_string)
        mask = DBE_ALARM | DBE_VALUE if channel.subscription.values else DBE_ALARM
        values = self._library.subscribe_values(channel.handle, channel.number, (TIME_FIRST + channel.native, count), mask)
        channel.monitors = (labels, values)

    def _end_monitors(self, channel: Channel) -> None:
        self._asked = True
        for monitor in channel.monitors:
            if monitor is not None:
                self._library.unsubscribe(monitor)
        channel.monitors = ()
