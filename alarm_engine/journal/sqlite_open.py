"""Opening a SQLite file of ours: pragmas, marks of format and version, and refusing what is not ours."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alarm_engine.errors import JournalCorrupt, JournalUnavailable
from alarm_engine.journal.sqlite_errors import damaged

APPLICATION_ID = 0x746F6373
"""`tocs`, in the header of every file of ours (`PRAGMA application_id`)."""
SCHEMA_VERSION = 1
"""In the header too (`PRAGMA user_version`); grows with every change that an older program cannot read."""
AUTOCHECKPOINT_PAGES = 8000
"""The writer moves the write-ahead log into the file itself only when the keeper did not manage to."""
CHECKED_BYTES = 256_000_000
"""Files up to this size are checked when an engine opens them: a fifth of a second, more if the disk is slow."""


class Access(StrEnum):
    """What a process may do with the file."""

    ENGINE = "engine"
    """Writes, as the only engine: holds the lock."""
    GUEST = "guest"
    """Writes beside a running engine (a sync of the alarm tree): takes no lock."""
    READ = "read"
    """Only reads."""


class Durability(StrEnum):
    """What a power cut may cost. A process that is killed never loses anything."""

    FULL = "FULL"
    """Nothing: each commit is on the disk before it is confirmed."""
    NORMAL = "NORMAL"
    """The last commits; the file stays sound."""
    OFF = "OFF"
    """All of it: for what is thrown away anyway."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to use the file."""

    access: Access = Access.ENGINE
    durability: Durability = Durability.FULL
    busy_timeout_s: float = 5.0
    """How long a write waits for another process's."""


def connect(path: Path, options: FileOptions, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our pragmas; usable from any thread, by one at a time. Raises `sqlite3.Error`."""
    mode = "ro" if read_only or options.access is Access.READ else "rwc"
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=options.busy_timeout_s
    )
    try:
        if mode == "rwc":
            connection.execute(f"PRAGMA synchronous = {options.durability}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16000")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path, options: FileOptions) -> None:
    """Make a new file ours, or make sure that an old one is; `JournalCorrupt` for any other, `sqlite3.Error`."""
    application, version, tables = _marks(connection)
    if application == version == tables == 0 and options.access is not Access.READ:
        _claim(connection, path)
        return
    if application != APPLICATION_ID:
        raise JournalCorrupt(f"{path} belongs to another program (application id {application:#x}): it is left alone; give another file")
    if version > SCHEMA_VERSION:
        raise JournalCorrupt(
            f"{path} was written by a newer tocsin (format {version}, this one knows {SCHEMA_VERSION}): update tocsin, or give another file"
        )
    if options.access is not Access.READ:
        _log_ahead(connection, path)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `JournalCorrupt` if a file of moderate size is damaged: better at the start than in the middle of a shift."""
    if path.stat().st_size > CHECKED_BYTES:
        return
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise damaged(path, finding)


def _marks(connection: sqlite3.Connection) -> tuple[int, int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return application, version, tables


def _log_ahead(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalUnavailable(f"{path} cannot have a write-ahead log (SQLite answered {mode!r}): put it on a local disk")


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    _log_ahead(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _marks(connection) == (0, 0, 0):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
