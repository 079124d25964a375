"""Recorded sessions, replayed side by side: each in a process of its own, with its own IOC and its own addresses."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

from alarm_engine.journal.memory import MemoryJournal
from alarm_engine.journal.port import Journal
from tests.conformance.compare import PathResult, compare
from tests.conformance.player import MARKER, Played, Player
from tests.conformance.session import Session, load_session
from tests.ioc import port_pool, start_ioc

MakeJournal = Callable[[], Journal]
"""Makes a journal that is not started yet; called in the process of the session, so it must be importable there."""

_MARKER_RECORD = f'\nrecord(longout, "{MARKER}") {{ }}\n'


def replay(path: Path, make_journal: MakeJournal = MemoryJournal) -> list[PathResult]:
    """Replay one session in this process, which must not have used Channel Access with other addresses."""
    port_pool().export(os.environ)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    session = load_session(path)
    return compare(session, asyncio.run(_play(session, make_journal())))


async def _play(session: Session, journal: Journal) -> Played:
    await journal.start()
    try:
        with start_ioc(session.database + _MARKER_RECORD, prefix="") as ioc:
            return await Player(session, journal, ioc).play()
    finally:
        await journal.close()


def replay_all(paths: Sequence[Path], make_journal: MakeJournal = MemoryJournal) -> list[list[PathResult]]:
    """The results of each session, in the given order; one that could not be played to its end counts as one path with a deviation."""
    if not paths:
        return []
    with ProcessPoolExecutor(len(paths), mp_context=multiprocessing.get_context("spawn")) as processes:
        playing = [processes.submit(replay, path, make_journal) for path in paths]
        return [
            [PathResult("/", f"{path.stem}: could not be played: {problem!r}")] if (problem := played.exception()) else played.result()
            for path, played in zip(paths, playing, strict=True)
        ]
