"""Writing events, on the writer thread of the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from alarm_engine.model.event import Event
from alarm_engine.model.path import name, system
from alarm_engine.model.times import Nanos
from backend.history.dead_letters import CANNOT_BE_WRITTEN, letter_of
from backend.history.matching import fold
from backend.history.port import DeadLetter
from backend.history.sqlite_counts import count_after, last_row
from backend.history.sqlite_past import overtake
from backend.history.sqlite_schema import INSERT, row_of
from backend.history.sqlite_summaries import cut

_NEIGHBOUR = """
SELECT time FROM history INDEXED BY history_id WHERE config = ? AND (epoch, n) {than} (?, ?) ORDER BY epoch {way}, n {way} LIMIT 1
"""
_BEFORE = _NEIGHBOUR.format(than="<", way="DESC")
_AFTER = _NEIGHBOUR.format(than=">", way="ASC")


class EventWriter:
    """Stores events and remembers the numbers of configurations and paths; used by the writer thread alone."""

    def __init__(self) -> None:
        self._configs: dict[str, int] = {}
        self._paths: dict[tuple[int, str], int] = {}
        self.buried = 0
        """Events that could not be stored."""

    def forget(self) -> None:
        """After a rollback: numbers may not have come to be."""
        self._configs.clear()
        self._paths.clear()

    def write(self, connection: sqlite3.Connection, events: Sequence[Event]) -> int:
        """Store what is not there yet; returns how many that were."""
        by_config: dict[str, list[Event]] = {}
        for event in events:
            by_config.setdefault(event.id.config, []).append(event)
        return sum(self._write(connection, config, sorted(own, key=lambda event: event.id)) for config, own in by_config.items())

    def _write(self, connection: sqlite3.Connection, name: str, events: Sequence[Event]) -> int:
        config = self._config(connection, name)
        rows = []
        good: list[Event] = []
        for event in events:
            try:
                rows.append(row_of(event, config, self._path(connection, config, event.path)))
            except CANNOT_BE_WRITTEN as problem:
                self.buried += 1
                bury(connection, [letter_of(event, problem)])
            else:
                good.append(event)
        row, before = last_row(connection), connection.total_changes
        connection.executemany(INSERT, rows)
        new = connection.total_changes - before
        if new:
            count_after(connection, row)
            overtake(connection, config, min(event.time for event in good))
            cut(connection, config, good[0].id[1:])
        if new and not self._in_order(connection, config, good):
            connection.execute("UPDATE history_config SET disordered = 1 WHERE id = ?", (config,))
        return new

    def _in_order(self, connection: sqlite3.Connection, config: int, events: Sequence[Event]) -> bool:
        """Whether order by time is still order by id. Mostly no others lie between the events: then a look to either side is enough."""
        first, last = events[0], events[-1]
        if any(earlier.time > later.time for earlier, later in pairwise(events)):
            return False
        if len(events) == 1 + _between(connection, config, first, last):
            before, after = _time(connection, _BEFORE, config, first), _time(connection, _AFTER, config, last)
            return (before is None or before <= first.time) and (after is None or after >= last.time)
        for event in events:
            before, after = _time(connection, _BEFORE, config, event), _time(connection, _AFTER, config, event)
            if (before is not None and before > event.time) or (after is not None and after < event.time):
                return False
        return True

    def _config(self, connection: sqlite3.Connection, name: str) -> int:
        number = self._configs.get(name)
        if number is None:
            connection.execute("INSERT OR IGNORE INTO history_config (name) VALUES (?)", (name,))
            number = int(connection.execute("SELECT id FROM history_config WHERE name = ?", (name,)).fetchone()[0])
            self._configs[name] = number
        return number

    def _path(self, connection: sqlite3.Connection, config: int, path: str) -> int:
        number = self._paths.get((config, path))
        if number is None:
            connection.execute(
                "INSERT OR IGNORE INTO history_path (config, path, pv, system, folded) VALUES (?, ?, ?, ?, ?)",
                (config, path, name(path), system(path), fold(path)),
            )
            number = int(connection.execute("SELECT id FROM history_path WHERE config = ? AND path = ?", (config, path)).fetchone()[0])
            self._paths[config, path] = number
        return number


def bury(connection: sqlite3.Connection, letters: Sequence[DeadLetter]) -> None:
    """Store dead letters that are not there yet."""
    connection.executemany(
        "INSERT OR IGNORE INTO history_dead (config, key, reason, body) VALUES (?, ?, ?, ?)",
        [(letter.config, letter.key, letter.reason, letter.body) for letter in letters],
    )


def _time(connection: sqlite3.Connection, query: str, config: int, event: Event) -> Nanos | None:
    row = connection.execute(query, (config, event.id.epoch, event.id.n)).fetchone()
    return None if row is None else Nanos(row[0])


def _between(connection: sqlite3.Connection, config: int, first: Event, last: Event) -> int:
    """How many events follow the first one up to the last one."""
    query = "SELECT count(*) FROM history INDEXED BY history_id WHERE config = ? AND (epoch, n) > (?, ?) AND (epoch, n) <= (?, ?)"
    return int(connection.execute(query, (config, first.id.epoch, first.id.n, last.id.epoch, last.id.n)).fetchone()[0])
