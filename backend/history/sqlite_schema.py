"""Tables of the history, and how an event becomes a row."""

from __future__ import annotations

from collections.abc import Sequence

from alarm_engine.model.event import Event
from alarm_engine.model.severity import Severity
from alarm_engine.wire.event import encode_event
from backend.history.intervals import UNKNOWN, Condition, condition
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
    "CREATE UNIQUE INDEX IF NOT EXISTS history_id ON history (config, epoch, n)",
    "CREATE INDEX IF NOT EXISTS history_time ON history (config, time, epoch, n, path, severity, kind)",
    "CREATE INDEX IF NOT EXISTS history_of_path ON history (path, time, epoch, n, state, severity, kind)",
    "CREATE INDEX IF NOT EXISTS history_rise ON history (config, time, path, severity) WHERE kind = 'alarm'",
)

INSERT = """
INSERT OR IGNORE INTO history (config, epoch, n, time, path, severity, kind, user, state, text, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_SEVERITY = 0x0F
_SUPPRESSED = 0x10
_CONNECTED = 0x20
REMOVED = -1
REMOVED_WITH_SNAPSHOT = -2


def encode_state(event: Event) -> int | None:
    """Severity, suppressed and connected in one number."""
    what = condition(event)
    if what is None:
        return None
    if what.severity is None:
        return REMOVED if event.snapshot is None else REMOVED_WITH_SNAPSHOT
    return int(what.severity) | (_SUPPRESSED if what.suppressed else 0) | (_CONNECTED if what.connected else 0)


def decode_state(state: int | None) -> Condition:
    """The condition that `encode_state` packed; `UNKNOWN` for nothing and for a removed alarm."""
    if state is None or state < 0:
        return UNKNOWN
    return Condition(Severity(state & _SEVERITY), bool(state & _SUPPRESSED), bool(state & _CONNECTED))


def row_of(event: Event, config: int, path: int) -> Sequence[object]:
    """The parameters of `INSERT`."""
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
        encode_event(event),
    )
