"""Tables of the journal, and how headers are stored."""

from __future__ import annotations

import sqlite3
import struct

from alarm_engine.journal.port import Headers

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS topic (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        cleanup TEXT NOT NULL,
        retention_s INTEGER,
        retention_bytes INTEGER,
        floor INTEGER NOT NULL DEFAULT 0  -- one more than the last offset that was ever deleted
    )""",
    """CREATE TABLE IF NOT EXISTS record (
        seq INTEGER PRIMARY KEY,
        topic INTEGER NOT NULL,
        time INTEGER NOT NULL,            -- nanoseconds since the epoch, never running back
        key TEXT NOT NULL,
        value BLOB,                       -- NULL: a tombstone
        headers BLOB,
        upto INTEGER NOT NULL             -- bytes of keys and values of the topic up to this record; only differences mean anything
    )""",
    "CREATE INDEX IF NOT EXISTS record_topic ON record (topic)",
    """CREATE TABLE IF NOT EXISTS position (
        grp TEXT NOT NULL,
        topic TEXT NOT NULL,
        next INTEGER NOT NULL,
        PRIMARY KEY (grp, topic)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL, time INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO head VALUES (1, 1, 0)",
)

_LENGTHS = struct.Struct("<HI")


def encode_headers(headers: Headers) -> bytes | None:
    """Headers as (2 bytes length of the name, 4 bytes length of the value, name, value)*; None if there are none."""
    if not headers:
        return None
    parts: list[bytes] = []
    for name, value in headers:
        text = name.encode()
        parts += (_LENGTHS.pack(len(text), len(value)), text, value)
    return b"".join(parts)


def decode_headers(data: bytes) -> Headers:
    """The headers that `encode_headers` packed."""
    found: list[tuple[str, bytes]] = []
    at = 0
    while at < len(data):
        name_length, value_length = _LENGTHS.unpack_from(data, at)
        at += _LENGTHS.size
        name_end = at + name_length
        found.append((data[at:name_end].decode(), data[name_end : name_end + value_length]))
        at = name_end + value_length
    return tuple(found)


def topic_end(connection: sqlite3.Connection, topic: str) -> int:
    """One more than the last offset that the topic ever had; 0 for none."""
    row = connection.execute(
        "SELECT max(floor, coalesce((SELECT max(seq) FROM record WHERE topic = id), -1) + 1) FROM topic WHERE name = ?", (topic,)
    ).fetchone()
    return int(row[0]) if row else 0
