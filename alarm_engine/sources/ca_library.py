"""libca as pyepics loads it, with callbacks that do nothing but put a tuple into a queue.

pyepics' own callback builds dictionaries and casts per event (17 us); this one copies the buffer and is decoded elsewhere.
Calls may only be made from the one thread that `attach` was called in.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from alarm_engine.errors import SourceError
from alarm_engine.sources.ca_values import CTRL_ENUM, CTRL_ENUM_SIZE, TIME_FIRST, buffer_size

ECA_NORMAL = 1
DBE_VALUE, DBE_ALARM = 1, 4
_CONNECTED = 6


class ConnectionEvent(NamedTuple):
    """A channel came or went."""

    channel: int
    up: bool


class ValueEvent(NamedTuple):
    """A subscription delivered."""

    number: int
    """What the subscription was made with."""
    kind: int
    elements: int
    data: bytes


class LabelsEvent(NamedTuple):
    """Labels of an enumeration came."""

    number: int
    data: bytes


class _EventArguments(ctypes.Structure):
    _fields_ = (
        ("usr", ctypes.c_size_t), ("chid", ctypes.c_size_t), ("type", ctypes.c_long), ("count", ctypes.c_long),
        ("dbr", ctypes.c_void_p), ("status", ctypes.c_int),
    )  # fmt: skip


class _ConnectionArguments(ctypes.Structure):
    _fields_ = (("chid", ctypes.c_size_t), ("op", ctypes.c_long))


_EVENT = ctypes.CFUNCTYPE(None, _EventArguments)
_CONNECTION = ctypes.CFUNCTYPE(None, _ConnectionArguments)


def prepare_environment(wanted: Mapping[str, str]) -> None:
    """Set EPICS_CA_ variables before libca starts: it reads them once. Raises `SourceError` if it is too late for other values."""
    from epics import ca

    if ca.libca is not None:
        late = {name: value for name, value in wanted.items() if os.environ.get(name) != value}
        if late:
            texts = ", ".join(f"{name}={value!r} (it runs with {os.environ.get(name)!r})" for name, value in late.items())
            raise SourceError(f"Channel Access runs already in this process and cannot be given other settings: {texts}")
    os.environ.update(wanted)


class CaLibrary:
    """The calls that a source needs."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        """`put` takes `ConnectionEvent`, `ValueEvent` and `LabelsEvent` from threads of libca."""
        try:
            import epicscorelibs  # noqa: F401 - before the first call, so that pyepics takes the libca of EPICS 7
            from epics import ca

            if ca.libca is None:
                ca.initialize_libca()
        except (ImportError, OSError, ca.ChannelAccessException) as problem:
            raise SourceError(f"Channel Access cannot be used: {problem}") from problem
        self._ca = ca
        self._lib: Any = ca.libca
        lib = self._lib
        lib.ca_create_channel.argtypes = None
        # References to callbacks must live as long as libca may call them.
        self._on_value = _EVENT(_value_handler(put))
        self._on_labels = _EVENT(_labels_handler(put))
        self._on_connection = _CONNECTION(_connection_handler(put))

    def attach(self) -> None:
        """Let this thread call libca."""
        if self._ca.current_context() is None:
            self._ca.use_initial_context()

    def detach(self) -> None:
        """This thread calls libca no more."""
        self._ca.detach_context()

    def create(self, name: str) -> int | None:
        """A channel, None for a name that libca refuses; events tell when it connects."""
        chid = ctypes.c_size_t()
        status = self._lib.ca_create_channel(name.encode(), self._on_connection, None, ctypes.c_uint(0), ctypes.byref(chid))
        return chid.value if status == ECA_NORMAL else None

    def clear(self, channel: int) -> None:
        """End a channel and its subscription."""
        self._lib.ca_clear_channel(ctypes.c_size_t(channel))

    def native_type(self, channel: int) -> int:
        """DBF type of a connected channel, -1 if it is not connected."""
        return int(self._lib.ca_field_type(ctypes.c_size_t(channel)))

    def element_count(self, channel: int) -> int:
        """Number of elements of a connected channel."""
        self._lib.ca_element_count.restype = ctypes.c_ulong
        return int(self._lib.ca_element_count(ctypes.c_size_t(channel)))

    def host(self, channel: int) -> str:
        """`host:port` of the server."""
        return bytes(self._lib.ca_host_name(ctypes.c_size_t(channel)) or b"").decode("ascii", "replace")

    def subscribe(self, channel: int, number: int, shape: tuple[int, int], mask: int) -> int | None:
        """A subscription to native type and count, whose events carry `number`; None if the channel has just gone."""
        native, count = shape
        subscription = ctypes.c_size_t()
        status = self._lib.ca_create_subscription(
            ctypes.c_long(TIME_FIRST + native), ctypes.c_ulong(count), ctypes.c_size_t(channel), ctypes.c_long(mask),
            self._on_value, ctypes.c_size_t(number), ctypes.byref(subscription),
        )  # fmt: skip
        return subscription.value if status == ECA_NORMAL else None

    def unsubscribe(self, subscription: int) -> None:
        """End a subscription."""
        self._lib.ca_clear_subscription(ctypes.c_size_t(subscription))

    def request_labels(self, channel: int, number: int) -> None:
        """Ask for the labels of an enumeration; they come as an event."""
        self._lib.ca_array_get_callback(
            ctypes.c_long(CTRL_ENUM), ctypes.c_ulong(1), ctypes.c_size_t(channel), self._on_labels, ctypes.c_size_t(number)
        )

    def flush(self) -> None:
        """Send what is waiting."""
        self._lib.ca_flush_io()


def _value_handler(put: Callable[[Any], None]) -> Callable[[_EventArguments], None]:
    copy, last = ctypes.string_at, TIME_FIRST + 6

    def on_value(args: _EventArguments) -> None:
        kind, count = args.type, args.count
        if args.status == ECA_NORMAL and args.dbr and TIME_FIRST <= kind <= last:
            put(ValueEvent(args.usr, kind, count, copy(args.dbr, buffer_size(kind, count))))

    return on_value


def _labels_handler(put: Callable[[Any], None]) -> Callable[[_EventArguments], None]:
    def on_labels(args: _EventArguments) -> None:
        if args.status == ECA_NORMAL and args.dbr and args.type == CTRL_ENUM:
            put(LabelsEvent(args.usr, ctypes.string_at(args.dbr, CTRL_ENUM_SIZE)))

    return on_labels


def _connection_handler(put: Callable[[Any], None]) -> Callable[[_ConnectionArguments], None]:
    def on_connection(args: _ConnectionArguments) -> None:
        put(ConnectionEvent(args.chid, args.op == _CONNECTED))

    return on_connection
