from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from alarm_engine.errors import JournalUnavailable
from alarm_engine.journal.sqlite_readers import Readers


def readers(path: Path, threads: int = 3) -> Readers:
    return Readers(
        lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False), lambda e: JournalUnavailable(str(e)), threads, "r"
    )


async def test_each_thread_is_warmed_once(tmp_path: Path) -> None:
    warmed: list[str] = []
    pool = readers(tmp_path / "file.db")
    pool.warm(lambda connection: warmed.append(threading.current_thread().name))
    pool.close()
    assert len(warmed) == len(set(warmed)) == 3


async def test_what_cannot_be_read_while_warming_is_told_to_who_asks(tmp_path: Path) -> None:
    pool = readers(tmp_path / "file.db")
    pool.warm(lambda connection: connection.execute("SELECT * FROM missing"))
    with pytest.raises(JournalUnavailable, match="missing"):
        await pool.read(lambda connection: connection.execute("SELECT * FROM missing"))
    assert await pool.read(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)
    pool.close()
