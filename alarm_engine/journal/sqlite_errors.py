"""Errors of SQLite and of the file system, translated once, into sentences for those who run the control room."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from alarm_engine.errors import JournalCorrupt, JournalError, JournalUnavailable


class _Meaning(NamedTuple):
    kind: type[JournalError]
    sentence: str
    """`{path}` is the file."""


_BUSY = _Meaning(
    JournalUnavailable,
    "{path} is locked: another process has been writing to it for too long; close what has the file open (sqlite3, a backup, a copy)",
)
_READ_ONLY = _Meaning(JournalUnavailable, "{path} cannot be written: check the owner and the rights of the file and of its directory")
_DAMAGED = (
    "stop tocsin, move the file away together with {path}-wal and {path}-shm, and restore a backup"
    " (or start without: the alarm tree comes from its files, acknowledgements and history are then lost)"
)
_CORRUPT = _Meaning(JournalCorrupt, "{path} is damaged: " + _DAMAGED)

_MEANINGS: dict[int, _Meaning] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_FULL: _Meaning(JournalUnavailable, "no space left for {path}: the disk is full; free some, work goes on by itself"),
    sqlite3.SQLITE_IOERR: _Meaning(
        JournalUnavailable, "{path} cannot be read or written: the disk is full or reports an error; look at the system log"
    ),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_AUTH: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _Meaning(
        JournalUnavailable, "{path} cannot be opened: the directory must exist and be writable, and the disk must not be full"
    ),
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _Meaning(
        JournalCorrupt, "{path} is not a SQLite file, or its beginning is damaged: give another file, or " + _DAMAGED
    ),
    sqlite3.SQLITE_NOMEM: _Meaning(JournalUnavailable, "no memory left for reading or writing {path}"),
    sqlite3.SQLITE_INTERRUPT: _Meaning(JournalUnavailable, "a question to {path} was given up: it took too long"),
}

_PRIMARY = 0xFF
"""SQLite's extended codes hold the primary one in their lowest byte."""


def translate(problem: sqlite3.Error, path: Path) -> JournalError:
    """The error to raise for one of SQLite's; an unknown one is a plain `JournalError` with its text."""
    code = getattr(problem, "sqlite_errorcode", None)
    meaning = _MEANINGS.get(code & _PRIMARY) if code is not None else None
    if meaning is None:
        return JournalError(f"{path}: {problem}")
    return meaning.kind(f"{meaning.sentence.format(path=path)} (SQLite: {problem})")


def damaged(path: Path, finding: str) -> JournalCorrupt:
    """The error for a file in which a check found something."""
    return JournalCorrupt(f"{_CORRUPT.sentence.format(path=path)} (SQLite: {finding})")
