"""Summaries and carried states as bytes and back: JSON, form version in `v`. Times are integer nanoseconds, columns base 64."""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from binascii import a2b_base64
from typing import Any

import orjson

from alarm_engine.errors import WireError
from alarm_engine.model.times import Nanos
from backend.kpi.carried import Carried, CarriedState
from backend.kpi.quantiles import BINS
from backend.kpi.summary import NO_COUNTS, NO_MARKS, RISES, Change, Column, Counts, Level, Marks, Period, Summary, column, totals_of

VERSION = 1
"""A change of a definition is a new version as well: roll-ups of the old one are then made again from the events."""

_BIG = sys.byteorder == "big"
_ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def encode_summary(summary: Summary) -> bytes:
    """A summary as it is stored; empty fields are left out."""
    data: dict[str, Any] = {"v": VERSION, "config": summary.config, "start": summary.start, "end": summary.end}
    if summary.paths:
        data["paths"] = summary.paths
        data["periods"] = [[start, *map(_text, columns)] for start, *columns in summary.periods]
        if len(summary.periods) > 1:  # those of one period are made again
            data["totals"] = list(map(_text, summary.totals))
        if any(summary.silent):
            data["silent"] = _text(summary.silent)
        for name in ("chattering", "fleeting", "acknowledged"):
            columns = getattr(summary, name)
            if columns[0]:
                data[name] = list(map(_text, columns))
    if summary.changes:
        data["changes"] = summary.changes
    if summary.opening is not None:
        data["opening"] = summary.opening
    if summary.held:
        data["held"] = summary.held
    if summary.ahead:
        data["ahead"] = summary.ahead
    if summary.imported:
        data["imported"] = True
    return orjson.dumps(data, default=tuple)


def decode_summary(body: bytes) -> Summary:
    """What `encode_summary` wrote; raises `WireError` for anything else, another form version included."""
    try:
        data = _load(body, "summary")
        paths = tuple(data.get("paths", ()))
        alarms = len(paths)
        periods = tuple(_period(period, alarms) for period in data.get("periods", ()))
        totals = _columns(data["totals"], "I" * RISES) if "totals" in data else totals_of(periods, alarms)
        silent = _column(data["silent"]) if "silent" in data else column([0]) * alarms
        if any(len(one) != alarms for one in (*totals, silent)):
            raise ValueError("columns do not fit the paths")
        return Summary(
            config=data["config"],
            start=Nanos(data["start"]),
            end=Nanos(data["end"]),
            paths=paths,
            periods=periods,
            totals=tuple(totals),
            silent=silent,
            chattering=_marks(data.get("chattering"), alarms),
            fleeting=_marks(data.get("fleeting"), alarms),
            acknowledged=_counts(data.get("acknowledged"), alarms * BINS),
            changes=_changes(data.get("changes", ())),
            opening=_changes(data["opening"]) if "opening" in data else None,
            held=data.get("held", 0),
            ahead=data.get("ahead", 0),
            imported=data.get("imported", False),
        )
    except _ODD as problem:
        raise WireError(f"not a summary of alarm figures ({problem!r}): {body[:200]!r}") from problem


def encode_carried(carried: CarriedState) -> bytes:
    """A carried state as it is stored."""
    data = {
        "v": VERSION,
        "config": carried.config,
        "last": carried.last,
        "time": carried.time,
        "end": carried.end,
        "day": carried.day,
        "alarms": carried.alarms,
        "imported": carried.imported,
    }
    return orjson.dumps(data, default=tuple)


def decode_carried(body: bytes) -> CarriedState:
    """What `encode_carried` wrote; raises `WireError` for anything else, another form version included."""
    try:
        data = _load(body, "carried state")
        epoch, number = data["last"]
        alarms = {path: Carried(*fields) for path, fields in data["alarms"].items()}
        mark, time, end = (epoch, number), Nanos(data["time"]), Nanos(data["end"])
        return CarriedState(data["config"], mark, time, end, data["day"], alarms, data.get("imported", False))
    except _ODD as problem:
        raise WireError(f"not a carried state of alarm figures ({problem!r}): {body[:200]!r}") from problem


def _load(body: bytes, what: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(body)
    if data["v"] != VERSION:
        raise WireError(f"{what} of alarm figures of form version {data['v']}, expected {VERSION}: make the roll-ups again from the events")
    return data


def _text(numbers: Column) -> str:
    """The bytes of a column, little end first, in base 64."""
    return b64encode(_little(numbers).tobytes()).decode()


def _column(text: str, form: str = "I") -> Column:
    # There are three for each 10 minutes: so it is read without the detours of `b64decode`, and looked at the order of bytes only once.
    numbers: Column = array(form, a2b_base64(text, strict_mode=True))
    return _little(numbers) if _BIG else numbers


def _little(numbers: Column) -> Column:
    if _BIG:  # pragma: no cover
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


def _period(data: list[Any], alarms: int) -> Period:
    start, *columns = data
    return Period(Nanos(start), *_keyed(_columns(columns, "III"), alarms * RISES))


def _counts(data: list[Any] | None, limit: int) -> Counts:
    return Counts(*_keyed(_columns(data, "II"), limit)) if data else NO_COUNTS


def _marks(data: list[Any] | None, limit: int) -> Marks:
    return Marks(*_keyed(_columns(data, "IIQQ"), limit)) if data else NO_MARKS


def _columns(data: list[Any], forms: str) -> list[Column]:
    columns = [_column(text, form) for text, form in zip(data, forms, strict=True)]
    if len(set(map(len, columns))) != 1:
        raise ValueError("columns of one table differ in length")
    return columns


def _keyed(columns: list[Column], limit: int) -> list[Column]:
    if columns[0] and max(columns[0]) >= limit:
        raise ValueError("a key belongs to no alarm")
    return columns


def _changes(data: list[Any]) -> tuple[Change, ...]:
    return tuple(Change(path, Nanos(time), Level(level), Nanos(since), until) for path, time, level, since, until in data)
