"""Buffers of Channel Access to readings, and numbers as Java writes them."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from alarm_engine.sources.ca_channels import BadName, name_of
from alarm_engine.sources.ca_values import (
    CHAR,
    CTRL_ENUM_SIZE,
    DOUBLE,
    ENUM,
    EPICS_EPOCH_S,
    FLOAT,
    LONG,
    MESSAGES,
    SHORT,
    STRING,
    TIME_FIRST,
    TIME_LAST,
    Form,
    buffer_size,
    decode,
    decode_labels,
    no_value,
    request_count,
)
from alarm_engine.sources.java_text import double_text, float_text

PLAIN = Form()
NOW = Nanos(1_800_000_000_123_456_789)
STAMP_S = 1_164_198_947
STAMP = Nanos((STAMP_S + EPICS_EPOCH_S) * 1_000_000_000 + 5)


def buffer(native: int, payload: bytes, *, status: int = 0, severity: int = 0, seconds: int = STAMP_S) -> bytes:
    padding = {STRING: 0, SHORT: 2, FLOAT: 0, ENUM: 2, CHAR: 3, LONG: 0, DOUBLE: 4}[native]
    return struct.pack("=hhII", status, severity, seconds, 5) + bytes(padding) + payload


def text(native: int, payload: bytes, form: Form = PLAIN, count: int = 1) -> str:
    return decode(buffer(native, payload), TIME_FIRST + native, count, form, NOW).value


def test_severity_message_value_and_time():
    value = decode(buffer(DOUBLE, struct.pack("=d", 12.5), status=3, severity=2), TIME_FIRST + DOUBLE, 1, Form(), NOW)
    assert value == (Severity.MAJOR, "HIHI_ALARM", "12.5", STAMP)


@pytest.mark.parametrize(("number", "severity"), [(0, Severity.OK), (1, Severity.MINOR), (2, Severity.MAJOR), (3, Severity.INVALID)])
def test_severities(number, severity):
    assert decode(buffer(LONG, bytes(4), severity=number), TIME_FIRST + LONG, 1, Form(), NOW).severity is severity


def test_a_severity_that_does_not_exist_is_no_reason_to_be_quiet():
    assert decode(buffer(LONG, bytes(4), severity=7, status=99), TIME_FIRST + LONG, 1, Form(), NOW)[:2] == (Severity.INVALID, "99_ALARM")


def test_messages_are_those_of_phoebus():
    assert len(MESSAGES) == 22
    assert (MESSAGES[0], MESSAGES[3], MESSAGES[17], MESSAGES[21]) == ("NO_ALARM", "HIHI_ALARM", "UDF_ALARM", "WRITE_ACCESS_ALARM")


def test_a_record_that_never_processed_has_the_time_of_now():
    assert decode(buffer(LONG, bytes(4), seconds=0), TIME_FIRST + LONG, 1, Form(), NOW).time == NOW


@pytest.mark.parametrize(
    ("native", "payload", "expected"),
    [
        (SHORT, struct.pack("=h", -7), "-7"),
        (LONG, struct.pack("=i", 100_000), "100000"),
        (CHAR, struct.pack("=b", 65), "65"),
        (FLOAT, struct.pack("=f", 0.1), "0.1"),
        (DOUBLE, struct.pack("=d", 1e-7), "1.0E-7"),
        (STRING, b"Beam off".ljust(40, b"\0"), "Beam off"),
        (STRING, b"x" * 40, "x" * 40),
        (STRING, "20 °C".encode().ljust(40, b"\0"), "20 °C"),
        (STRING, "20 °C".encode("latin-1").ljust(40, b"\0"), "20 °C"),
    ],
)
def test_scalars(native, payload, expected):
    assert text(native, payload) == expected


def test_enumerations_have_labels_or_else_numbers():
    payload = struct.pack("=H", 1)
    assert text(ENUM, payload, Form(labels=("Open", "Closed"))) == "Closed"
    assert text(ENUM, payload, Form(labels=("Open",))) == "1"
    assert text(ENUM, payload) == "1"


def test_labels():
    labels = b"".join(label.ljust(26, b"\0") for label in (b"Open", b"Closed")).ljust(16 * 26, b"\0")
    data = struct.pack("=hhh", 0, 0, 2) + labels + struct.pack("=H", 1)
    assert len(data) == CTRL_ENUM_SIZE
    assert decode_labels(data) == ("Open", "Closed")


def test_arrays_are_written_as_phoebus_does():
    got = text(DOUBLE, struct.pack("=3d", 0, 1, 2.5), Form(size=5), count=3)
    assert got == "VDoubleArray[[0.0, 1.0, 2.5], size [3], NONE(NONE) - NO_ALARM, 2026-11-22T12:35:47.000000005Z]"
    got = decode(buffer(LONG, b"", status=17, severity=3, seconds=0), TIME_FIRST + LONG, 0, Form(size=5), Nanos(0)).value
    assert got == "VIntArray[[], size [0], INVALID(NONE) - UDF_ALARM, 1970-01-01T00:00:00Z]"
    assert text(STRING, b"a".ljust(40, b"\0") + b"b".ljust(40, b"\0"), Form(size=2), 2).startswith("VStringArray[[a, b], size [2], ")


def test_long_arrays_are_cut():
    got = text(SHORT, struct.pack("=10h", *range(10)), Form(size=4000), count=10)
    assert got.startswith("VShortArray[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...], size [4000], ")


def test_long_strings():
    assert text(CHAR, b"a text of more than forty characters, as they are\0\0", Form(size=256, long_string=True), 51).endswith(
        "as they are"
    )
    assert text(CHAR, b"A", Form(size=256, long_string=True), 1) == "A"


def test_how_much_is_asked_for():
    assert request_count(DOUBLE, 1, False) == 1
    assert request_count(DOUBLE, 20, False) == 20  # as Phoebus
    assert request_count(DOUBLE, 2_000_000, False) == 10
    assert request_count(CHAR, 300, True) == 0
    assert request_count(CHAR, 2_000_000, True) == 4096


def test_no_value_is_never_quiet():
    assert no_value(368, NOW) == (Severity.INVALID, "READ_ACCESS_ALARM", "", NOW)
    assert no_value(152, NOW) == (Severity.INVALID, "READ_ALARM", "", NOW)


@given(st.binary(min_size=12, max_size=12), st.integers(TIME_FIRST, TIME_LAST), st.integers(0, 40), st.data())
def test_no_buffer_makes_it_raise(head, kind, count, data):
    payload = data.draw(st.binary(min_size=buffer_size(kind, count) - 12, max_size=buffer_size(kind, count) - 12))
    form = Form(labels=("a", "b"), long_string=data.draw(st.booleans()), size=max(1, count))
    assert isinstance(decode(head + payload, kind, count, form, NOW).value, str)


JAVA_DOUBLES = [
    (10.0, "10.0"), (0.0, "0.0"), (-0.0, "-0.0"), (1e-7, "1.0E-7"), (0.001, "0.001"),
    (0.0001, "1.0E-4"), (9999999.0, "9999999.0"), (1e7, "1.0E7"),
    (12345678.9, "1.23456789E7"), (123.456, "123.456"), (-2.5e-10, "-2.5E-10"), (1e16, "1.0E16"),
    (1.7976931348623157e308, "1.7976931348623157E308"),
    (5e-324, "4.9E-324"), (math.inf, "Infinity"), (-math.inf, "-Infinity"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), JAVA_DOUBLES)
def test_doubles_as_java_writes_them(value, expected):
    assert double_text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"), (16777216.0, "1.6777216E7"), (3.4028235e38, "3.4028235E38"), (1e-45, "1.4E-45"), (1.17549435e-38, "1.1754944E-38"),
        (20.0, "20.0"), (1234567.0, "1234567.0"), (-0.00123, "-0.00123"),
    ],
)  # fmt: skip
def test_floats_as_java_writes_them(value, expected):
    assert float_text(struct.unpack("f", struct.pack("f", value))[0]) == expected


def test_no_number():
    assert double_text(math.nan) == float_text(math.nan) == "NaN"
    assert float_text(-math.inf) == "-Infinity"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_read_back(value):
    assert float(double_text(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_read_back(value):
    assert struct.pack("f", float(float_text(value))) == struct.pack("f", value)


@pytest.mark.parametrize(
    ("pv", "name"),
    [
        ("SR01:VAC:GC1", "SR01:VAC:GC1"),
        ("ca://SR01:VAC:GC1", "SR01:VAC:GC1"),
        ("X.VAL$", "X.VAL$"),
        ('X.{"dbnd": {"d": 1}}', 'X.{"dbnd": {"d": 1}}'),
    ],
)
def test_names(pv, name):
    assert name_of(pv) == name


@pytest.mark.parametrize(
    ("pv", "part"),
    [
        ("pva://X", "pva:// is not a protocol of this source"),
        ("loc://x(1)", "loc://"),
        ("=1+1", "formulas"),
        ("ca://", "''"),
        ("", "''"),
        ("two words", "'two words'"),
        ("line\nfeed", "is not a name"),
    ],
)
def test_bad_names(pv, part):
    with pytest.raises(BadName, match=part.replace("(", r"\(")):
        name_of(pv)
