"""Pages of events from SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from alarm_engine.model.state import EventId
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import decode_event
from backend.history.matching import fold, sql_glob
from backend.history.port import DeadLetter, EventPage, EventQuery

_BY_ID = attrgetter("id")
FEW_PATHS = 500
"""Up to so many paths the index by path is used, beyond it the one by time: with many, it soon finds enough rows."""

CACHED = 40_000
"""Events whose rows are as large as the cache of a connection, 16 MB."""


class Config(NamedTuple):
    """A configuration as it is stored."""

    id: int
    disordered: bool
    """Order by time is not order by id: then rows are sorted by id, which takes longer."""

    def order(self, way: str) -> str:
        """ORDER BY of event ids, by the columns of the index where that is the same."""
        return f"epoch {way}, n {way}" if self.disordered else f"time {way}, epoch {way}, n {way}"


def find_config(connection: sqlite3.Connection, name: str) -> Config | None:
    """The configuration of that name, None if it has no events."""
    row = connection.execute("SELECT id, disordered FROM history_config WHERE name = ?", (name,)).fetchone()
    return None if row is None else Config(row[0], bool(row[1]))


class Where:
    """Conditions and their parameters, in the same order."""

    def __init__(self) -> None:
        self._terms: list[str] = []
        self.parameters: list[object] = []

    def add(self, term: str, *parameters: object) -> None:
        """One more condition that must hold."""
        self._terms.append(term)
        self.parameters += parameters

    def among(self, column: str, values: Iterable[object]) -> None:
        """The column has one of the values."""
        given = list(values)
        self.add(f"{column} IN ({', '.join('?' * len(given))})", *given)

    def __str__(self) -> str:
        return " AND ".join(self._terms)


def below(prefix: str) -> tuple[str, tuple[object, ...]]:
    """Condition for paths that are the prefix or lie below it. `0` is the character after `/`.

    All of them are between the two ends that it begins with: without those, SQLite looks at every path there is.
    """
    return "(path >= ? AND path < ? AND (path = ? OR path > ?))", (prefix, prefix + "0", prefix, prefix + "/")


def where_of(config: Config, span: tuple[Nanos, Nanos], prefix: str | None) -> Where:
    """Conditions for the events of a range and a part of the tree."""
    where = Where()
    where.add("config = ? AND time >= ? AND time < ?", config.id, *span)
    if prefix is not None and prefix != "/":
        term, parameters = below(prefix)
        where.add(f"path IN (SELECT id FROM history_path WHERE config = ? AND {term})", config.id, *parameters)
    return where


def page(connection: sqlite3.Connection, query: EventQuery) -> EventPage:
    """One page; the limits have been checked."""
    config = find_config(connection, query.config)
    if config is None or query.start >= query.end:
        return EventPage((), None)
    where = Where()
    index = _paths(connection, config, query, where)
    if index is None:
        return EventPage((), None)
    where.add("time >= ? AND time < ?", query.start, query.end)
    _conditions(where, config, query)
    _cursor(connection, where, config, query)
    way = "ASC" if query.oldest_first else "DESC"
    inner = f"SELECT id, epoch, n FROM history INDEXED BY {index} WHERE {where} ORDER BY {config.order(way)} LIMIT ?"
    rows = connection.execute(
        # The inner query runs in the index alone and sorts nothing large; only what is on the page is fetched whole.
        f"SELECT h.body, page.epoch, page.n FROM ({inner}) AS page CROSS JOIN history AS h ON h.id = page.id",
        (*where.parameters, query.limit + 1),
    )
    found = [decode_event(body, EventId(query.config, epoch, n)) for body, epoch, n in rows]
    events = sorted(found, key=_BY_ID, reverse=not query.oldest_first)
    more = len(events) > query.limit
    return EventPage(tuple(events[: query.limit]), events[query.limit - 1].id if more else None)


def read_newest(connection: sqlite3.Connection) -> None:
    """Read about as much of what came last as the cache of a connection holds."""
    connection.execute("SELECT total(severity) FROM (SELECT severity FROM history ORDER BY id DESC LIMIT ?)", (CACHED,)).fetchone()


def dead_letters(connection: sqlite3.Connection, config_name: str, limit: int) -> list[DeadLetter]:
    """What could not be stored, in the order of the keys."""
    rows = connection.execute(
        "SELECT config, key, reason, body FROM history_dead WHERE config = ? ORDER BY key LIMIT ?", (config_name, limit)
    )
    return [DeadLetter(*row) for row in rows]


def _paths(connection: sqlite3.Connection, config: Config, query: EventQuery, where: Where) -> str | None:
    """Narrow to the paths asked for; returns the index to use, None if there are no such paths."""
    paths = Where()
    paths.add("config = ?", config.id)
    if query.path_prefix is not None and query.path_prefix != "/":
        term, parameters = below(query.path_prefix)
        paths.add(term, *parameters)
    if query.pv is not None:
        paths.add("pv GLOB ?", sql_glob(query.pv))
    select = f"SELECT id FROM history_path WHERE {paths}"
    if len(paths.parameters) > 1:
        few = [row[0] for row in connection.execute(f"{select} LIMIT {FEW_PATHS + 1}", paths.parameters)]
        if not few:
            return None
        if len(few) <= FEW_PATHS:
            where.among("path", few)
            return "history_of_path"
        where.add("config = ?", config.id)
        where.add(f"path IN ({select})", *paths.parameters)
    else:
        where.add("config = ?", config.id)
    return "history_time"


def _conditions(where: Where, config: Config, query: EventQuery) -> None:
    if query.severities:
        where.among("severity", sorted(int(severity) for severity in query.severities))
    if query.kinds:
        where.among("kind", sorted(kind.value for kind in query.kinds))
    if query.user is not None:
        where.add("user = ?", query.user)
    if query.text:
        text = fold(query.text)
        by_path = "path IN (SELECT id FROM history_path WHERE config = ? AND instr(folded, ?))"
        where.add(f"({by_path} OR instr(text, ?))", config.id, text, text)


def _cursor(connection: sqlite3.Connection, where: Where, config: Config, query: EventQuery) -> None:
    after = query.after
    if after is None:
        return
    where.add(f"(epoch, n) {'>' if query.oldest_first else '<'} (?, ?)", after.epoch, after.n)
    if not config.disordered:
        # Lets the index begin at the cursor; without its event (deleted meanwhile) the condition above is enough.
        row = connection.execute("SELECT time FROM history WHERE config = ? AND epoch = ? AND n = ?", (config.id, *after[1:])).fetchone()
        if row is not None:
            where.add(f"time {'>=' if query.oldest_first else '<='} ?", row[0])
