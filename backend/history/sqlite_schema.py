"""Tables of the history, and how an event becomes a row."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.model.event import Event
from backend.history.dead_letters import body_of
from backend.history.intervals import encode_state
from backend.history.matching import search_text

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS history_config (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        disordered INTEGER NOT NULL DEFAULT 0  -- 1: an event is older than one before it, so that order by time is not order by id
    )""",
    """CREATE TABLE IF NOT EXISTS history_path (
        id INTEGER PRIMARY KEY,
        config INTEGER NOT NULL,
        path TEXT NOT NULL,
        pv TEXT NOT NULL,
        system TEXT NOT NULL,
        folded TEXT NOT NULL,                  -- the path for searches in any case
        UNIQUE (config, path)
    )""",
    """CREATE TABLE IF NOT EXISTS history (
        id INTEGER PRIMARY KEY,
        config INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        n INTEGER NOT NULL,
        time INTEGER NOT NULL,                 -- nanoseconds since the epoch
        path INTEGER NOT NULL,
        severity INTEGER NOT NULL,             -- ordinal, after the event
        kind TEXT NOT NULL,
        user TEXT NOT NULL,
        state INTEGER,                         -- what intervals show, see encode_state; NULL: the event says nothing about it
        text TEXT NOT NULL,                    -- for searches, in any case
        body BLOB NOT NULL                     -- the event as it is in the journal
    )""",
    """CREATE TABLE IF NOT EXISTS history_dead (
        config TEXT NOT NULL,
        key TEXT NOT NULL,
        reason TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (config, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS history_checkpoint (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given again, so that only the one that was announced is filled in
        config INTEGER NOT NULL,
        time INTEGER NOT NULL,                 -- with the events of that time
        states BLOB,                           -- see checkpoints.encode; NULL: announced, being worked out
        UNIQUE (config, time)
    )""",
    """CREATE TABLE IF NOT EXISTS history_begin (
        config INTEGER PRIMARY KEY,
        time INTEGER NOT NULL                  -- before it, only the last state of each alarm was kept
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS history_id ON history (config, epoch, n)",
    "CREATE INDEX IF NOT EXISTS history_time ON history (config, time, epoch, n, path, severity, kind)",
    "CREATE INDEX IF NOT EXISTS history_of_path ON history (path, time, epoch, n, state, severity, kind)",
    "CREATE INDEX IF NOT EXISTS history_rise ON history (config, time, path, severity) WHERE kind = 'alarm'",
)

INSERT = """
INSERT OR IGNORE INTO history (config, epoch, n, time, path, severity, kind, user, state, text, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def row_of(event: Event, config: int, path: int) -> Sequence[object]:
    """The parameters of `INSERT`; raises what `body_of` does."""
    body = body_of(event)
    return (
        config,
        event.id.epoch,
        event.id.n,
        event.time,
        path,
        int(event.to_severity),
        event.kind.value,
        event.user,
        encode_state(event),
        search_text(event),
        body,
    )
