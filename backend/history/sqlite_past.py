"""What was at a moment, and the checkpoints that make it quick, in SQLite."""

from __future__ import annotations

import sqlite3

from alarm_engine.model.times import Nanos
from backend.history.checkpoints import (
    EVENTS_BETWEEN,
    MOST_REPLAYED,
    State,
    States,
    check_replayed,
    decode,
    encode,
    next_time,
    past_states,
    replay,
)
from backend.history.port import PastStates
from backend.history.sqlite_page import Config, find_config

_EVER = -(1 << 62)


def states_at(connection: sqlite3.Connection, config_name: str, time: Nanos, prefix: str | None) -> PastStates:
    """See `HistoryStore.states_at`."""
    config = find_config(connection, config_name)
    if config is None:
        return PastStates((), complete=True)
    begin = connection.execute("SELECT time FROM history_begin WHERE config = ?", (config.id,)).fetchone()
    return past_states(config_name, _states(connection, config, time), prefix, complete=begin is None or time >= begin[0])


def next_checkpoint(connection: sqlite3.Connection, config_name: str) -> Nanos | None:
    """The time of the next checkpoint; None: it is not time for it."""
    config = find_config(connection, config_name)
    if config is None:
        return None
    base = connection.execute("SELECT max(time) FROM history_checkpoint WHERE config = ? AND states IS NOT NULL", (config.id,)).fetchone()[
        0
    ]
    nth = connection.execute(
        "SELECT time FROM history INDEXED BY history_time WHERE config = ? AND time > ? ORDER BY time LIMIT 1 OFFSET ?",
        (config.id, _EVER if base is None else base, EVENTS_BETWEEN - 1),
    ).fetchone()
    return None if nth is None else next_time(base, Nanos(nth[0]))


def announce(connection: sqlite3.Connection, config_name: str, time: Nanos) -> int:
    """Say that a checkpoint is being made; returns its number. Any that is still announced was given up."""
    connection.execute(
        "DELETE FROM history_checkpoint WHERE states IS NULL AND config = (SELECT id FROM history_config WHERE name = ?)", (config_name,)
    )
    made = connection.execute(
        "INSERT INTO history_checkpoint (config, time) SELECT id, ? FROM history_config WHERE name = ?", (time, config_name)
    )
    return made.lastrowid or 0


def content(connection: sqlite3.Connection, config_name: str, time: Nanos) -> bytes:
    """What the checkpoint of that time holds."""
    config = find_config(connection, config_name)
    return encode({} if config is None else _states(connection, config, time))


def fill_in(connection: sqlite3.Connection, number: int, states: bytes) -> None:
    """Complete a checkpoint, unless it was overtaken by an older event meanwhile."""
    connection.execute("UPDATE history_checkpoint SET states = ? WHERE id = ?", (states, number))


def overtake(connection: sqlite3.Connection, config: int, time: Nanos) -> None:
    """Events from that time on were written: what was known of later moments is no longer right."""
    connection.execute("DELETE FROM history_checkpoint WHERE config = ? AND time >= ?", (config, time))


def begin_at(connection: sqlite3.Connection, config_name: str, time: Nanos) -> None:
    """Events before a time are deleted: what was before is not known completely any more."""
    config = find_config(connection, config_name)
    if config is None:
        return
    connection.execute("DELETE FROM history_checkpoint WHERE config = ? AND time < ?", (config.id, time))
    connection.execute(
        "INSERT INTO history_begin (config, time) VALUES (?, ?) ON CONFLICT (config) DO UPDATE SET time = max(time, excluded.time)",
        (config.id, time),
    )


def _states(connection: sqlite3.Connection, config: Config, time: Nanos) -> States:
    """The states at a moment: those of the checkpoint before it, and what came after."""
    base = connection.execute(
        "SELECT time, states FROM history_checkpoint WHERE config = ? AND time <= ? AND states IS NOT NULL ORDER BY time DESC LIMIT 1",
        (config.id, time),
    ).fetchone()
    since, states = (_EVER, {}) if base is None else (base[0], decode(base[1]))
    rows = connection.execute(
        "SELECT p.path, h.state, h.epoch, h.n, h.time"
        " FROM history AS h INDEXED BY history_time CROSS JOIN history_path AS p ON p.id = h.path"
        " WHERE h.config = ? AND h.time > ? AND h.time <= ? AND h.state IS NOT NULL LIMIT ?",
        (config.id, since, time, MOST_REPLAYED + 1),
    ).fetchall()
    check_replayed(len(rows))
    return replay(states, map(State._make, rows))
