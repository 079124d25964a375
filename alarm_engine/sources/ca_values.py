"""What Channel Access delivers, as readings: severity, message, time stamp and value text of a DBR_TIME buffer."""

from __future__ import annotations

import struct
from typing import NamedTuple

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import LATEST, NANOS_PER_SECOND, Nanos, iso
from alarm_engine.sources.java_text import double_text, float_text

EPICS_EPOCH_S = 631_152_000
"""1990-01-01 in Unix seconds."""

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
TIME_FIRST = 14
"""DBR_TIME_STRING; the other DBR_TIME types follow in the order of the native ones."""
TIME_LAST = TIME_FIRST + DOUBLE
CTRL_ENUM = 31

SHOWN = 10
"""Elements of an array that are written out; Phoebus writes all, be it a picture of a camera."""
WHOLE = 32
"""Arrays of up to so many elements are asked for, and written, as a whole."""
LONG_STRING = 4096
"""Most characters of a long string (`NAME.VAL$`) that are asked for."""

SEVERITIES = (Severity.OK, Severity.MINOR, Severity.MAJOR, Severity.INVALID)
MESSAGES = (
    "NO_ALARM", "READ_ALARM", "WRITE_ALARM", "HIHI_ALARM", "HIGH_ALARM", "LOLO_ALARM", "LOW_ALARM", "STATE_ALARM", "COS_ALARM",
    "COMM_ALARM", "TIMEOUT_ALARM", "HW_LIMIT_ALARM", "CALC_ALARM", "SCAN_ALARM", "LINK_ALARM", "SOFT_ALARM", "BAD_SUB_ALARM",
    "UDF_ALARM", "DISABLE_ALARM", "SIMM_ALARM", "READ_ACCESS_ALARM", "WRITE_ACCESS_ALARM",
)  # fmt: skip
"""EPICS alarm status to the names of the Java client, which is what Phoebus publishes."""
READ_ACCESS = "READ_ACCESS_ALARM"
READ = "READ_ALARM"
_ECA_NORDACCESS = 368

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
CTRL_ENUM_SIZE = _LABELS.size + _MAX_LABELS * _LABEL_SIZE + 2
_SEVERITY_NAMES = ("NONE", "MINOR", "MAJOR", "INVALID")


class Form(NamedTuple):
    """How the values of a channel are to be read."""

    labels: tuple[str, ...] = ()
    """Of an enumeration."""
    long_string: bool = False
    """Characters are one text."""
    size: int = 1
    """Elements that the channel has at most."""


class Value(NamedTuple):
    """A decoded buffer."""

    severity: Severity
    message: str
    value: str
    time: Nanos


def buffer_size(time_type: int, count: int) -> int:
    """Bytes of a DBR_TIME buffer."""
    native = time_type - TIME_FIRST
    return _OFFSETS[native] + count * _SIZES[native]


def request_count(native: int, size: int, long_string: bool) -> int:
    """How many elements to ask for of a channel that has up to `size`; 0: as many as there are at each update.

    Phoebus asks for all that there may be, so an array that is not full ends in zeros in its records, and in ours.
    """
    if size == 1:
        return 1
    if long_string and native == CHAR:
        return 0 if size <= LONG_STRING else LONG_STRING
    return size if size <= WHOLE else SHOWN


def decode(data: bytes, time_type: int, count: int, form: Form, now: Nanos) -> Value:
    """Decode a DBR_TIME buffer of `count` elements; a record without time stamp, one that was never processed, has that of `now`.

    A time stamp beyond `LATEST` (an IOC may say up to 2126) is that: no store could keep what comes of it.
    """
    status, severity, seconds, nano = _HEAD.unpack_from(data)
    native = time_type - TIME_FIRST
    time = min(Nanos((seconds + EPICS_EPOCH_S) * NANOS_PER_SECOND + nano), LATEST) if seconds else now
    message = MESSAGES[status] if 0 <= status < len(MESSAGES) else f"{status}_ALARM"
    known = severity if 0 <= severity < 4 else 3
    if form.size == 1 and count == 1:
        (raw,) = _ONE[native].unpack_from(data, _OFFSETS[native])
        text = _scalar(native, raw, form.labels)
    elif form.long_string and native == CHAR:
        text = _text(data[_OFFSETS[native] :])
    else:
        alarm = f"{_SEVERITY_NAMES[known]}(NONE) - {message}"
        text = f"{_ARRAYS[native]}[{_elements(native, data, count, form)}, {alarm}, {_instant(time)}]"
    return Value(SEVERITIES[known], message, text, time)


def no_value(status: int, now: Nanos) -> Value:
    """What stands for a value that the server does not give, with the status of libca: never quiet."""
    return Value(Severity.INVALID, READ_ACCESS if status == _ECA_NORDACCESS else READ, "", now)


def decode_labels(data: bytes) -> tuple[str, ...]:
    """Labels of an enumeration out of a DBR_CTRL_ENUM buffer."""
    _, _, number = _LABELS.unpack_from(data)
    start = _LABELS.size
    return tuple(_text(data[start + index * _LABEL_SIZE : start + (index + 1) * _LABEL_SIZE]) for index in range(min(number, _MAX_LABELS)))


def _scalar(native: int, raw: float | bytes, labels: tuple[str, ...]) -> str:
    if native == DOUBLE:
        return double_text(raw)  # type: ignore[arg-type]
    if isinstance(raw, bytes):
        return _text(raw)
    if native == FLOAT:
        return float_text(raw)
    number = int(raw)
    if native == ENUM and number < len(labels):
        return labels[number]
    return str(number)


def _elements(native: int, data: bytes, count: int, form: Form) -> str:
    """Elements and size as `VType.toString` of Phoebus writes them: `[1.0, 2.0], size [2]`."""
    written = count if form.size <= WHOLE else min(count, SHOWN)
    form_text = "=" + "40s" * written if native == STRING else f"={written}{_FORMATS[native]}"
    texts = [_scalar(native, raw, form.labels) for raw in struct.unpack_from(form_text, data, _OFFSETS[native])]
    if form.size > WHOLE:
        return f"[{', '.join(texts)}, ...], size [{form.size}]"
    return f"[{', '.join(texts)}], size [{count}]"


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
