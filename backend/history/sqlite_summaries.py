"""Summaries of alarm figures in SQLite, beside the events that they are made of."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from alarm_engine.model.event import Event
from alarm_engine.model.times import Nanos
from alarm_engine.wire.event import decode_event
from backend.history.sqlite_page import find_config
from backend.history.summaries import Frontier, Mark, Part, Stored, is_chain
from backend.kpi.definitions import DAY_NS

T = TypeVar("T")

TABLES = (
    """CREATE TABLE IF NOT EXISTS history_summary (
        config INTEGER NOT NULL,
        days INTEGER NOT NULL,                 -- 0: part of the chain, 1: a whole day as one summary
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        body BLOB NOT NULL,                    -- see summaries.pack
        PRIMARY KEY (config, days, start)
    )""",
    """CREATE TABLE IF NOT EXISTS history_frontier (
        config INTEGER NOT NULL,               -- ends of the chain: the last one, and those of all days before it
        end INTEGER NOT NULL,
        epoch INTEGER NOT NULL,                -- the first event that is not in
        n INTEGER NOT NULL,
        carried BLOB NOT NULL,
        PRIMARY KEY (config, end)
    )""",
)
_LAST = "SELECT end, epoch, n FROM history_frontier WHERE config = ? ORDER BY end DESC LIMIT 1"


class Asking(Protocol):
    """Runs a function with a connection."""

    def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> Awaitable[T]:
        """What the function returns."""
        ...


class SqliteSummaries:
    """See `SummaryStore`."""

    def __init__(self, ask: Asking, change: Asking) -> None:
        """`ask` runs on a reader thread, `change` in a transaction on the writer thread."""
        self._ask = ask
        self._change = change

    async def begin(self, config: str) -> Nanos | None:
        """See `SummaryStore.begin`."""
        query = "SELECT b.time FROM history_begin AS b JOIN history_config AS c ON c.id = b.config WHERE c.name = ?"
        row = await self._ask(lambda connection: connection.execute(query, (config,)).fetchone())
        return None if row is None else Nanos(row[0])

    async def is_whole(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.is_whole`."""
        begin = await self.begin(config)
        return begin is None or time >= begin

    async def has_events_from(self, config: str, time: Nanos) -> bool:
        """See `SummaryStore.has_events_from`."""
        return await self.is_whole(config, time)

    async def doubtful_until(self, config: str) -> Nanos:
        """See `SummaryStore.doubtful_until`: what is gone here is all gone."""
        return Nanos(0)

    async def following(self, config: str, first: Mark, limit: int, before: Nanos | None = None) -> list[Event]:
        """See `SummaryStore.following`."""
        return await self._ask(lambda connection: _following(connection, config, first, (limit, before)))

    async def frontier(self, config: str) -> Frontier | None:
        """See `SummaryStore.frontier`."""
        query = (
            "SELECT f.end, f.epoch, f.n, f.carried FROM history_frontier AS f JOIN history_config AS c ON c.id = f.config"
            " WHERE c.name = ? ORDER BY f.end DESC LIMIT 1"
        )
        row = await self._ask(lambda connection: connection.execute(query, (config,)).fetchone())
        return None if row is None else Frontier(Nanos(row[0]), (row[1], row[2]), row[3])

    async def append(self, *parts: Part) -> bool:
        """See `SummaryStore.append`."""
        return await self._change(lambda connection: _append(connection, parts))

    async def between(self, config: str, start: Nanos, end: Nanos, *, days: bool) -> list[Stored]:
        """See `SummaryStore.between`."""
        query = (
            "SELECT s.start, s.end, s.body FROM history_summary AS s JOIN history_config AS c ON c.id = s.config"
            " WHERE c.name = ? AND s.days = ? AND s.start >= ? AND s.start < ? ORDER BY s.start"
        )
        rows = await self._ask(lambda connection: connection.execute(query, (config, days, start, end)).fetchall())
        return [Stored(Nanos(row[0]), Nanos(row[1]), row[2]) for row in rows]


def cut(connection: sqlite3.Connection, config: int, oldest: Mark) -> None:
    """An event of that id was written: what was made of those around it is no longer right."""
    last = connection.execute(_LAST, (config,)).fetchone()
    if last is None or (last[1], last[2]) <= oldest:
        return
    connection.execute("DELETE FROM history_frontier WHERE config = ? AND ((epoch, n) > (?, ?) OR end % ? <> 0)", (config, *oldest, DAY_NS))
    kept = connection.execute(_LAST, (config,)).fetchone()
    connection.execute("DELETE FROM history_summary WHERE config = ? AND end > ?", (config, -1 if kept is None else kept[0]))


def forget(connection: sqlite3.Connection, config_name: str, time: Nanos) -> None:
    """Events before a time were deleted: no more is answered for than is there."""
    config = find_config(connection, config_name)
    for table in ("history_summary", "history_frontier") if config else ():
        connection.execute(f"DELETE FROM {table} WHERE config = ? AND end <= ?", (config and config.id, time))


def _following(connection: sqlite3.Connection, config_name: str, first: Mark, only: tuple[int, Nanos | None]) -> list[Event]:
    limit, before = only
    config = find_config(connection, config_name)
    if config is None:
        return []
    sooner, times = ("", ()) if before is None else (" AND time < ?", (before,))
    query = f"SELECT body FROM history INDEXED BY history_id WHERE config = ? AND (epoch, n) >= (?, ?){sooner} ORDER BY epoch, n LIMIT ?"
    return [decode_event(row[0]) for row in connection.execute(query, (config.id, *first, *times, limit))]


def _append(connection: sqlite3.Connection, parts: Sequence[Part]) -> bool:
    config = find_config(connection, parts[0].config)
    if config is None:
        return False
    last = connection.execute(_LAST, (config.id,)).fetchone()
    if not is_chain(None if last is None else Frontier(Nanos(last[0]), (last[1], last[2]), b""), parts):
        return False
    query = "SELECT count(*) FROM history INDEXED BY history_id WHERE config = ? AND (epoch, n) >= (?, ?) AND (epoch, n) < (?, ?)"
    for part in parts:
        if connection.execute(query, (config.id, *part.first, *part.frontier.next)).fetchone()[0] != part.events:
            return False
    for part in parts:
        _store(connection, config.id, part)
    return True


def _store(connection: sqlite3.Connection, config: int, part: Part) -> None:
    frontier = part.frontier
    connection.execute("DELETE FROM history_frontier WHERE config = ? AND end % ? <> 0", (config, DAY_NS))
    connection.execute("INSERT INTO history_frontier VALUES (?, ?, ?, ?, ?)", (config, frontier.end, *frontier.next, frontier.carried))
    stored = [(0, part.summaries), *([] if part.day is None else [(1, part.day)])]
    connection.executemany(
        "INSERT INTO history_summary VALUES (?, ?, ?, ?, ?)", [(config, days, one.start, one.end, one.body) for days, one in stored]
    )
