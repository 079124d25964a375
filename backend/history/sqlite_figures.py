"""States at a time, intervals and rankings from SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from alarm_engine.errors import QueryTooLarge
from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import decode_event
from backend.history.intervals import REMOVED, UNKNOWN, Condition, decode_state, fill
from backend.history.matching import MAX_CHANGES
from backend.history.port import Frequency, Interval
from backend.history.sqlite_page import Config, find_config, where_of


def last_before(connection: sqlite3.Connection, config_name: str, paths: Sequence[str], time: Nanos) -> dict[str, Event]:
    """The last event with a snapshot of each path before a time."""
    config = find_config(connection, config_name)
    found: dict[str, Event] = {}
    if config is None:
        return found
    query = (
        "SELECT body FROM history INDEXED BY history_of_path"
        f" WHERE path = ? AND time < ? AND state IS NOT NULL AND state <> {REMOVED} ORDER BY {config.order('DESC')} LIMIT 1"
    )
    for path in paths:
        number = _path(connection, config, path)
        row = connection.execute(query, (number, time)).fetchone() if number is not None else None
        if row is not None:
            found[path] = decode_event(row[0])
    return found


def intervals(connection: sqlite3.Connection, config_name: str, paths: Sequence[str], span: tuple[Nanos, Nanos]) -> list[Interval]:
    """Intervals of each path; `QueryTooLarge` for more than `MAX_CHANGES` changes in all."""
    config = find_config(connection, config_name)
    found: list[Interval] = []
    left = MAX_CHANGES
    for path in paths:
        number = None if config is None else _path(connection, config, path)
        if config is None or number is None:
            found += fill(path, span, UNKNOWN, ())
            continue
        before, newest = _before(connection, config, number, span[0])
        changes = _changes(connection, number, newest, span, left + 1)
        left -= len(changes)
        if left < 0:
            raise QueryTooLarge(f"more than {MAX_CHANGES} changes lie in the range: ask for a shorter one or for fewer alarms")
        found += fill(path, span, before, changes)
    return found


def most_frequent(
    connection: sqlite3.Connection, config_name: str, span: tuple[Nanos, Nanos], limit: int, prefix: str | None
) -> list[Frequency]:
    """Alarms by number of rises."""
    config = find_config(connection, config_name)
    if config is None:
        return []
    where = where_of(config, span, prefix)
    where.add("kind = 'alarm'")
    rows = connection.execute(
        "SELECT p.path, p.pv, c.rises FROM"
        f" (SELECT path, count(*) AS rises FROM history INDEXED BY history_rise WHERE {where} GROUP BY path) AS c"
        " JOIN history_path AS p ON p.id = c.path ORDER BY c.rises DESC, p.path LIMIT ?",
        (*where.parameters, limit),
    )
    return [Frequency(path, pv, rises) for path, pv, rises in rows]


def expendable(
    connection: sqlite3.Connection, config_name: str, time: Nanos, after: tuple[int, int, int], limit: int
) -> list[tuple[int, int, int, int]]:
    """Events before a time, the last one of each path that says something about its state left out: (time, epoch, n, row)."""
    config = find_config(connection, config_name)
    if config is None:
        return []
    query = f"""
    SELECT time, epoch, n, id FROM history AS h INDEXED BY history_time
    WHERE config = ? AND time < ? AND (time, epoch, n) > (?, ?, ?) AND (
        state IS NULL OR id <> (
            SELECT id FROM history AS o INDEXED BY history_of_path
            WHERE o.path = h.path AND o.time < ? AND o.state IS NOT NULL ORDER BY {config.order("DESC")} LIMIT 1
        )
    )
    ORDER BY time, epoch, n LIMIT ?
    """
    return connection.execute(query, (config.id, time, *after, time, limit)).fetchall()


def _path(connection: sqlite3.Connection, config: Config, path: str) -> int | None:
    row = connection.execute("SELECT id FROM history_path WHERE config = ? AND path = ?", (config.id, path)).fetchone()
    return None if row is None else int(row[0])


def _before(connection: sqlite3.Connection, config: Config, path: int, start: Nanos) -> tuple[Condition, tuple[int, int]]:
    """The condition before a time, and the event (epoch, n) that it comes from."""
    query = (
        "SELECT state, epoch, n FROM history INDEXED BY history_of_path"
        f" WHERE path = ? AND time < ? AND state IS NOT NULL ORDER BY {config.order('DESC')} LIMIT 1"
    )
    row = connection.execute(query, (path, start)).fetchone()
    return (decode_state(row[0]), (row[1], row[2])) if row else (UNKNOWN, (-1, -1))


def _changes(
    connection: sqlite3.Connection, path: int, newest: tuple[int, int], span: tuple[Nanos, Nanos], limit: int
) -> list[tuple[Nanos, Condition]]:
    """Changes in order of time. What an event with a greater id has said before, a smaller one does not take back."""
    rows = connection.execute(
        "SELECT time, epoch, n, state FROM history INDEXED BY history_of_path"
        " WHERE path = ? AND time >= ? AND time < ? AND state IS NOT NULL ORDER BY time, epoch, n LIMIT ?",
        (path, *span, limit),
    )
    found: list[tuple[Nanos, Condition]] = []
    for time, epoch, n, state in rows:
        if (epoch, n) > newest:
            newest = (epoch, n)
            found.append((Nanos(time), decode_state(state)))
    return found
