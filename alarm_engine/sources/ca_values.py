"""What Channel Access delivers, as readings: severity, message, time stamp and value text of a DBR_TIME buffer."""

from __future__ import annotations

import struct
from typing import NamedTuple

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from alarm_engine.sources.java_text import double_text, float_text

EPICS_EPOCH_S = 631_152_000
"""1990-01-01 in Unix seconds."""

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
TIME_FIRST = 14
"""DBR_TIME_STRING; the other DBR_TIME types follow in the order of the native ones."""
CTRL_ENUM = 31
MAX_ELEMENTS = 10
"""Of an array no more are asked for: its text is for people."""

SEVERITIES = (Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID)
MESSAGES = tuple(
    name + "_ALARM"
    for name in (
        "NO", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT", "HW_LIMIT", "CALC", "SCAN", "LINK",
        "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
    )
)  # fmt: skip
"""EPICS alarm status to the names of the Java client, which is what Phoebus publishes."""

_HEAD = struct.Struct("=hhII")
_OFFSETS = (12, 14, 12, 14, 15, 12, 16)
"""Where the value begins in a DBR_TIME buffer, by native type."""
_SIZES = (40, 2, 4, 2, 1, 4, 8)
_FORMATS = ("40s", "h", "f", "H", "b", "i", "d")
_ONE = tuple(struct.Struct("=" + form) for form in _FORMATS)
_ARRAYS = ("VStringArray", "VShortArray", "VFloatArray", "VEnumArray", "VByteArray", "VIntArray", "VDoubleArray")
_LABELS = struct.Struct("=hhh")
_LABEL_SIZE = 26
_MAX_LABELS = 16


class Value(NamedTuple):
    """A decoded buffer."""

    severity: Severity
    message: str
    value: str
    time: Nanos | None
    """None for a record that has no time stamp."""


def buffer_size(time_type: int, count: int) -> int:
    """Bytes of a DBR_TIME buffer."""
    native = time_type - TIME_FIRST
    return _OFFSETS[native] + count * _SIZES[native]


def decode(data: bytes, time_type: int, count: int, labels: tuple[str, ...] = (), long_string: bool = False) -> Value:
    """Decode a DBR_TIME buffer of `count` elements; `labels` are those of an enumeration."""
    status, severity, seconds, nano = _HEAD.unpack_from(data)
    native = time_type - TIME_FIRST
    time = Nanos((seconds + EPICS_EPOCH_S) * NANOS_PER_SECOND + nano) if seconds else None
    message = MESSAGES[status] if 0 <= status < len(MESSAGES) else f"{status}_ALARM"
    if count == 1 and not long_string:
        (raw,) = _ONE[native].unpack_from(data, _OFFSETS[native])
        text = _scalar(native, raw, labels)
    elif long_string and native == CHAR:
        text = _text(data[_OFFSETS[native] :])
    else:
        text = _array(native, data, count, labels, message, time)
    return Value(SEVERITIES[severity] if 0 <= severity < 4 else Severity.INVALID, message, text, time)


def decode_labels(data: bytes) -> tuple[str, ...]:
    """Labels of an enumeration out of a DBR_CTRL_ENUM buffer."""
    _, _, number = _LABELS.unpack_from(data)
    start = _LABELS.size
    return tuple(_text(data[start + index * _LABEL_SIZE : start + (index + 1) * _LABEL_SIZE]) for index in range(min(number, _MAX_LABELS)))


CTRL_ENUM_SIZE = _LABELS.size + _MAX_LABELS * _LABEL_SIZE + 2


def _scalar(native: int, raw: float | bytes, labels: tuple[str, ...]) -> str:
    if isinstance(raw, bytes):
        return _text(raw)
    if native == DOUBLE:
        return double_text(raw)
    if native == FLOAT:
        return float_text(raw)
    number = int(raw)
    if native == ENUM and number < len(labels):
        return labels[number]
    return str(number)


def _array(native: int, data: bytes, count: int, labels: tuple[str, ...], message: str, time: Nanos | None) -> str:
    """As `VType.toString` of Phoebus writes arrays."""
    raw = struct.unpack_from(f"={count}{_FORMATS[native]}" if native else "=" + "40s" * count, data, _OFFSETS[native])
    elements = ", ".join(_scalar(native, element, labels) for element in raw)
    return f"{_ARRAYS[native]}[[{elements}], size [{count}], NONE(NONE) - {message}, {_instant(time or Nanos(0))}]"


def _instant(time: Nanos) -> str:
    """As Java's `Instant.toString`: no fraction, or 3, 6 or 9 digits of it."""
    fraction = f"{time % NANOS_PER_SECOND:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return iso(time)[:19] + (f".{fraction}" if fraction else "") + "Z"


def _text(raw: bytes) -> str:
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
