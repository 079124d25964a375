"""Counts per bucket from SQLite: sums of 10 minutes, kept in the transaction that writes or deletes the events.

One table has the sums of a configuration, one those of each system, and one only the rises of each system, so that all systems together
are quick too: a week is then some thousand rows, however many events it has. What begins or ends within 10 minutes, shorter buckets, and
parts of a system are counted from the events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from alarm_engine.model.path import build, split
from alarm_engine.model.severity import NAMES
from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import Bucket, CountBy
from backend.history.sqlite_page import Config, Where, find_config, where_of

STEP_S = 600
_STEP_NS = STEP_S * NANOS_PER_SECOND

TABLES = {
    "history_count": """CREATE TABLE history_count (
        config INTEGER NOT NULL,
        at INTEGER NOT NULL,                   -- nanoseconds, a multiple of 10 minutes
        kind TEXT NOT NULL,
        severity INTEGER NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (config, at, kind, severity)
    ) WITHOUT ROWID""",
    "history_system_count": """CREATE TABLE history_system_count (
        config INTEGER NOT NULL,
        system TEXT NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        severity INTEGER NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (config, system, at, kind, severity)
    ) WITHOUT ROWID""",
    "history_system_rise": """CREATE TABLE history_system_rise (
        config INTEGER NOT NULL,
        at INTEGER NOT NULL,
        system TEXT NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (config, at, system)
    ) WITHOUT ROWID""",
}

# NOT INDEXED: by row number, where SQLite would look through the whole index that has all columns.
_AT = f"time / {_STEP_NS} * {_STEP_NS}"
_ADD = f"""
INSERT INTO history_count (config, at, kind, severity, events)
SELECT config, {_AT} AS at, kind, severity, {{sign}} count(*) FROM history NOT INDEXED WHERE {{which}} GROUP BY 1, 2, 3, 4
ON CONFLICT DO UPDATE SET events = events + excluded.events
"""
_ADD_TO_SYSTEM = f"""
INSERT INTO history_system_count (config, system, at, kind, severity, events)
SELECT h.config, p.system, {_AT} AS at, h.kind, h.severity, {{sign}} count(*)
FROM history AS h NOT INDEXED CROSS JOIN history_path AS p ON p.id = h.path WHERE h.{{which}} GROUP BY 1, 2, 3, 4, 5
ON CONFLICT DO UPDATE SET events = events + excluded.events
"""
_ADD_RISES = f"""
INSERT INTO history_system_rise (config, at, system, events)
SELECT h.config, {_AT} AS at, p.system, {{sign}} count(*)
FROM history AS h NOT INDEXED CROSS JOIN history_path AS p ON p.id = h.path WHERE h.{{which}} AND h.kind = 'alarm' GROUP BY 1, 2, 3
ON CONFLICT DO UPDATE SET events = events + excluded.events
"""
_FILL_RISES = """
INSERT INTO history_system_rise (config, at, system, events)
SELECT config, at, system, sum(events) FROM history_system_count WHERE kind = 'alarm' GROUP BY 1, 2, 3
"""
_ADDS = (_ADD, _ADD_TO_SYSTEM, _ADD_RISES)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables that are not there, filled from the events that are."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name, fill in zip(TABLES, (_ADD, _ADD_TO_SYSTEM, _FILL_RISES), strict=True):
        if name not in there:
            connection.execute(TABLES[name])
            connection.execute(fill.format(sign="", which="id > 0"))


def last_row(connection: sqlite3.Connection) -> int:
    """The greatest row number of an event: those of what is inserted are greater."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0])


def count_after(connection: sqlite3.Connection, row: int) -> None:
    """Take in the events with greater row numbers."""
    for add in _ADDS:
        connection.execute(add.format(sign="", which="id > ?"), (row,))


def uncount(connection: sqlite3.Connection, rows: Sequence[int]) -> None:
    """Take out events that are about to be deleted."""
    for add in _ADDS:
        connection.execute(add.format(sign="-", which=f"id IN ({', '.join('?' * len(rows))})"), rows)


def tidy(connection: sqlite3.Connection, config_name: str, time: Nanos) -> None:
    """Drop sums before a time that have come to nothing."""
    config = find_config(connection, config_name)
    for table in TABLES if config else ():
        connection.execute(f"DELETE FROM {table} WHERE config = ? AND at < ? AND events = 0", (config and config.id, time))


def counts(
    connection: sqlite3.Connection, config_name: str, span: tuple[Nanos, Nanos], buckets: tuple[int, CountBy], prefix: str | None
) -> list[Bucket]:
    """Rises per bucket (seconds, label); split by kind: events of every kind."""
    start, end = span
    bucket_s, by = buckets
    width = bucket_s * NANOS_PER_SECOND
    bars: dict[int, dict[str, int]] = {at: {} for at in range(start // width * width, end, width)} if start < end else {}
    config = find_config(connection, config_name)
    if config is not None and bars:
        for at, label, count in _rows(connection, config, span, (width, by), prefix):
            bar = bars[at]
            bar[label] = bar.get(label, 0) + count
    return [Bucket(Nanos(at), bar) for at, bar in bars.items()]


_Rows = Iterable[tuple[int, Any, int]]
_LABELS = {CountBy.SEVERITY: "severity", CountBy.KIND: "kind", CountBy.SYSTEM: "system"}


def _rows(
    connection: sqlite3.Connection, config: Config, span: tuple[Nanos, Nanos], buckets: tuple[int, CountBy], prefix: str | None
) -> _Rows:
    """Begin of the bucket, label, number; a bucket and label may come more than once."""
    first, last = Nanos(-(-span[0] // _STEP_NS) * _STEP_NS), Nanos(span[1] // _STEP_NS * _STEP_NS)
    systems = _systems(connection, config, prefix) if buckets[0] % _STEP_NS == 0 and first < last else None
    if systems is None:
        rows = _from_events(connection, config, span, buckets, prefix)
    else:
        rows = chain(
            _from_events(connection, config, (span[0], first), buckets, prefix),
            _from_sums(connection, config, (first, last), buckets, systems),
            _from_events(connection, config, (last, span[1]), buckets, prefix),
        )
    return ((at, NAMES[severity], count) for at, severity, count in rows) if buckets[1] is CountBy.SEVERITY else rows


_WHOLE: Sequence[str] = ()


def _systems(connection: sqlite3.Connection, config: Config, prefix: str | None) -> Sequence[str] | None:
    """The system that a prefix means, `_WHOLE` for the configuration; None for a part of a system."""
    elements = split(prefix or "/")
    if elements:
        lowest, highest = connection.execute("SELECT min(path), max(path) FROM history_path WHERE config = ?", (config.id,)).fetchone()
        root = build(elements[:1])
        if len(elements) > 2 or lowest is None or not root + "/" <= lowest <= highest < root + "0":
            return None  # "0" follows "/"
    if len(elements) == 2:
        # An alarm of that path would be none of the system's.
        itself = connection.execute("SELECT 1 FROM history_path WHERE config = ? AND path = ?", (config.id, prefix)).fetchone()
        return None if itself else elements[1:]
    return _WHOLE


def _from_events(
    connection: sqlite3.Connection, config: Config, span: tuple[Nanos, Nanos], buckets: tuple[int, CountBy], prefix: str | None
) -> _Rows:
    if span[0] >= span[1]:
        return []
    width, by = buckets
    where = where_of(config, span, prefix)
    index = "history_time"
    if by is not CountBy.KIND:
        where.add("kind = 'alarm'")
        index = "history_rise"
    label = {CountBy.SEVERITY: "severity", CountBy.KIND: "kind", CountBy.SYSTEM: "path"}[by]
    grouped = f"FROM history INDEXED BY {index} WHERE {where} GROUP BY 1, 2"
    query = f"SELECT time / {width} * {width} AS at, {label}, count(*) AS events {grouped}"
    if by is CountBy.SYSTEM:
        query = f"SELECT found.at, p.system, found.events FROM ({query}) AS found CROSS JOIN history_path AS p ON p.id = found.path"
    return connection.execute(query, where.parameters)


def _from_sums(
    connection: sqlite3.Connection, config: Config, span: tuple[Nanos, Nanos], buckets: tuple[int, CountBy], systems: Sequence[str]
) -> _Rows:
    width, by = buckets
    where = Where()
    where.add("config = ?", config.id)
    if systems:
        where.among("system", systems)
    where.add("at >= ? AND at < ? AND events > 0", *span)
    if by is CountBy.SEVERITY:
        where.add("kind = 'alarm'")
    table = "history_system_rise" if by is CountBy.SYSTEM else "history_system_count" if systems else "history_count"
    if width == _STEP_NS:  # grouping would sort them
        return connection.execute(f"SELECT at, {_LABELS[by]}, events FROM {table} WHERE {where}", where.parameters)
    return connection.execute(
        f"SELECT at / {width} * {width}, {_LABELS[by]}, sum(events) FROM {table} WHERE {where} GROUP BY 1, 2", where.parameters
    )
