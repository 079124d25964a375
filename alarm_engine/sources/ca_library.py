"""libca as pyepics loads it, with callbacks that do nothing but put a tuple into a queue.

pyepics' own callback builds dictionaries and casts per event; this one copies the buffer, and another thread decodes it.
Calls may only be made from the one thread that `attach` was called in.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog

from alarm_engine.errors import SourceError
from alarm_engine.sources.ca_threads import thread_state_keeper, wait_for_threads
from alarm_engine.sources.ca_values import CTRL_ENUM, CTRL_ENUM_SIZE, TIME_FIRST, TIME_LAST, buffer_size

log = structlog.get_logger()

ECA_NORMAL = 1
DBE_VALUE, DBE_ALARM, DBE_PROPERTY = 1, 4, 8
_OP_CONN_UP = 6
_CIRCUITS_CLOSE_S = 1.0
"""libca closes the circuit of a server at once when its last channel is cleared; those of others in the process may stay."""

Put = Callable[[Any], None]


class ValueEvent(NamedTuple):
    """A subscription delivered. `number` is always what the channel was created with."""

    number: int
    kind: int
    """DBR_TIME type."""
    elements: int
    data: bytes
    arrival: int
    """Monotonic nanoseconds."""


class RefusedEvent(NamedTuple):
    """The server has no value for a subscription: most often, reading is not allowed any more."""

    number: int
    status: int
    arrival: int


class ConnectionEvent(NamedTuple):
    """A channel came or went."""

    number: int
    up: bool
    arrival: int


class LabelsEvent(NamedTuple):
    """Labels of an enumeration came or changed."""

    number: int
    data: bytes


class LibraryMessage(NamedTuple):
    """Something that libca would have printed."""

    text: str


class _EventArguments(ctypes.Structure):
    _fields_ = (
        ("usr", ctypes.c_size_t), ("chid", ctypes.c_size_t), ("type", ctypes.c_long), ("count", ctypes.c_long),
        ("dbr", ctypes.c_void_p), ("status", ctypes.c_int),
    )  # fmt: skip


class _ConnectionArguments(ctypes.Structure):
    _fields_ = (("chid", ctypes.c_size_t), ("op", ctypes.c_long))


def prepare_environment(wanted: Mapping[str, str]) -> None:
    """Set EPICS_CA_ variables before libca starts: it reads them once. Raises `SourceError` if it is too late for other values."""
    ca = _pyepics()
    if ca.libca is not None:
        late = {name: value for name, value in wanted.items() if os.environ.get(name) != value}
        if late:
            texts = ", ".join(f"{name}={value!r} (it runs with {os.environ.get(name)!r})" for name, value in late.items())
            raise SourceError(f"Channel Access runs already in this process and reads its settings only once; cannot use {texts}")
    os.environ.update(wanted)


def _pyepics() -> Any:
    try:
        import epicscorelibs  # noqa: F401 - before the first call, so that pyepics takes the libca of EPICS 7
        from epics import ca
    except ImportError as problem:
        raise SourceError(f"Channel Access cannot be used, a package is missing: {problem}") from problem
    return ca


class CaLibrary:
    """The calls that a source needs."""

    def __init__(self, put: Put) -> None:
        """`put` takes events from threads of libca; it must neither block nor raise."""
        self._ca = ca = _pyepics()
        try:
            # A handle of our own to the library of pyepics: the argument types below are not those that pyepics sets on its handle.
            self._lib: Any = ctypes.CDLL(ca.find_libca() if ca.libca is None else ca.libca._name)
            _declare(self._lib)
            self._on_message = _LISTENER(_message_handler(put))
            # From here on, for the whole process, libca prints nothing: it has something to say already when it starts.
            self._lib.errlogAddListener(self._on_message, None)
            self._lib.eltc(0)
            if ca.libca is None:
                # Taking libca down at the end of the process waits half a minute for every name server that does not answer.
                ca.AUTO_CLEANUP = False
                ca.initialize_libca()
        except (OSError, AttributeError, ca.ChannelAccessException) as problem:
            raise SourceError(f"Channel Access cannot be used: {problem}") from problem
        # References to callbacks must live as long as libca may call them.
        make = ca.dbr.make_callback
        self._on_value = make(_value_handler(put, thread_state_keeper(self._lib)), _EventArguments)
        self._on_labels = make(_labels_handler(put), _EventArguments)
        self._on_connection = make(_connection_handler(put, self._lib.ca_puser), _ConnectionArguments)
        log.info("channel access", library=self._lib._name, protocol=ca.version())

    def attach(self) -> None:
        """Let this thread call libca."""
        self._ca.use_initial_context()

    def detach(self) -> None:
        """This thread calls libca no more, and libca has nothing to tell any more."""
        self._lib.errlogRemoveListeners(self._on_message, None)
        self._ca.detach_context()
        wait_for_threads(_CIRCUITS_CLOSE_S)

    def create(self, name: str, number: int) -> int | None:
        """A channel whose events carry `number`, above 0; None for a name that libca refuses. Connects by itself, whenever it can."""
        channel = ctypes.c_size_t()
        status = self._lib.ca_create_channel(name.encode(), self._on_connection, number, 0, ctypes.byref(channel))
        return channel.value if status == ECA_NORMAL else None

    def clear(self, channel: int) -> None:
        """End a channel and its subscriptions: no callback comes afterwards."""
        self._lib.ca_clear_channel(channel)

    def native_type(self, channel: int) -> int:
        """DBF type of a connected channel, -1 if it is not connected."""
        return int(self._lib.ca_field_type(channel))

    def element_count(self, channel: int) -> int:
        """Most elements of a connected channel."""
        return int(self._lib.ca_element_count(channel))

    def host(self, channel: int) -> str:
        """`host:port` of the server."""
        return bytes(self._lib.ca_host_name(channel) or b"").decode("ascii", "replace")

    def subscribe_values(self, channel: int, number: int, shape: tuple[int, int], mask: int) -> int | None:
        """Ask for a DBR_TIME type and number of elements (0: as many as there are); None if the channel has just gone."""
        return self._subscribe(channel, number, shape, mask, self._on_value)

    def subscribe_labels(self, channel: int, number: int) -> int | None:
        """Ask for the labels of an enumeration, now and when they change; None if the channel has just gone."""
        return self._subscribe(channel, number, (CTRL_ENUM, 1), DBE_PROPERTY, self._on_labels)

    def _subscribe(self, channel: int, number: int, shape: tuple[int, int], mask: int, callback: Any) -> int | None:
        kind, count = shape
        subscription = ctypes.c_size_t()
        status = self._lib.ca_create_subscription(kind, count, channel, mask, callback, number, ctypes.byref(subscription))
        return subscription.value if status == ECA_NORMAL else None

    def unsubscribe(self, subscription: int) -> None:
        """End a subscription."""
        self._lib.ca_clear_subscription(subscription)

    def flush(self) -> None:
        """Send what is waiting."""
        self._lib.ca_flush_io()


_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


def _declare(lib: Any) -> None:
    handle, long, callback, pointer = ctypes.c_size_t, ctypes.c_long, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)
    lib.ca_create_channel.argtypes = [ctypes.c_char_p, callback, handle, ctypes.c_uint, pointer]
    lib.ca_clear_channel.argtypes = [handle]
    lib.ca_create_subscription.argtypes = [long, ctypes.c_ulong, handle, long, callback, handle, pointer]
    lib.ca_clear_subscription.argtypes = [handle]
    lib.ca_field_type.argtypes = [handle]
    lib.ca_field_type.restype = ctypes.c_short
    lib.ca_element_count.argtypes = [handle]
    lib.ca_element_count.restype = ctypes.c_ulong
    lib.ca_host_name.argtypes = [handle]
    lib.ca_host_name.restype = ctypes.c_char_p
    lib.ca_puser.argtypes = [handle]
    lib.ca_puser.restype = handle
    lib.errlogAddListener.argtypes = [callback, ctypes.c_void_p]
    lib.errlogRemoveListeners.argtypes = [callback, ctypes.c_void_p]


def _value_handler(put: Put, keep: Callable[[], None]) -> Callable[[Any], None]:
    copy, now, event, first, last = ctypes.string_at, time.monotonic_ns, ValueEvent, TIME_FIRST, TIME_LAST

    def on_value(args: Any) -> None:
        keep()
        kind, address = args.type, args.dbr
        if args.status == ECA_NORMAL and address and first <= kind <= last:
            count = args.count
            put(event(args.usr, kind, count, copy(address, buffer_size(kind, count)), now()))
        else:
            put(RefusedEvent(args.usr, args.status, now()))

    return on_value


def _labels_handler(put: Put) -> Callable[[Any], None]:
    def on_labels(args: Any) -> None:
        if args.status == ECA_NORMAL and args.dbr and args.type == CTRL_ENUM:
            put(LabelsEvent(args.usr, ctypes.string_at(args.dbr, CTRL_ENUM_SIZE)))

    return on_labels


def _connection_handler(put: Put, number_of: Callable[[int], int]) -> Callable[[Any], None]:
    def on_connection(args: Any) -> None:
        # Reading what the channel was created with is no request, so it is allowed here. The address of the channel would not do: a new
        # channel may have that of one that was cleared while its event was in the queue.
        put(ConnectionEvent(number_of(args.chid), args.op == _OP_CONN_UP, time.monotonic_ns()))

    return on_connection


def _message_handler(put: Put) -> Callable[[Any, bytes], None]:
    def on_message(_: Any, text: bytes) -> None:
        put(LibraryMessage(text.decode("utf-8", "replace").strip()))

    return on_message
