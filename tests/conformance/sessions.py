"""Recorded sessions, replayed side by side: each in a process of its own, with its own IOC and its own addresses."""

from __future__ import annotations

import asyncio
import atexit
import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from alarm_engine.journal.sqlite import SqliteJournal
from alarm_engine.journal.sqlite_file import SqliteFile
from tests.conformance.compare import PathResult, compare
from tests.conformance.kafka_site import KafkaSite
from tests.conformance.player import MARKER, Played, Player
from tests.conformance.session import Session, load_session
from tests.conformance.sites import JournalSite, MakeSite, Site
from tests.ioc import port_pool, start_ioc
from tests.kafka_broker import shared_broker
from tests.kafka_jars import Missing, check_tools


def sqlite_site() -> Site:
    """A file of its own, gone with the process."""
    directory = tempfile.TemporaryDirectory(prefix="tocsin-conformance-")
    atexit.register(directory.cleanup)
    return JournalSite(lambda: SqliteJournal(SqliteFile(Path(directory.name) / "journal.db")))


def kafka_sites() -> MakeSite:
    """Sites on the broker of this process, which starts with the first; raises `Missing`."""
    return partial(KafkaSite, shared_broker().servers)


JOURNALS: dict[str, Callable[[], MakeSite]] = {"kafka": kafka_sites, "memory": lambda: JournalSite, "sqlite": lambda: sqlite_site}
"""What sessions can be played on."""


def usual_journal() -> tuple[str, str]:
    """Kafka, as a Phoebus site has it, where it can be; and why not."""
    try:
        check_tools()
    except Missing as problem:
        return "memory", f" ({problem})"
    return "kafka", ""


_MARKER_RECORD = f'\nrecord(longout, "{MARKER}") {{ }}\n'


def replay(path: Path, make_site: MakeSite) -> list[PathResult]:
    """Replay one session in this process, which must not have used Channel Access with other addresses."""
    port_pool().export(os.environ)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    session = load_session(path)
    return compare(session, asyncio.run(_play(session, make_site())))


async def _play(session: Session, site: Site) -> Played:
    try:
        with start_ioc(session.database + _MARKER_RECORD, prefix="") as ioc:
            return await Player(session, site, ioc).play()
    finally:
        await site.close()


def replay_all(paths: Sequence[Path], make_site: MakeSite) -> list[list[PathResult]]:
    """The results of each session, in the given order; one that could not be played to its end counts as one path with a deviation."""
    if not paths:
        return []
    with ProcessPoolExecutor(len(paths), mp_context=multiprocessing.get_context("spawn")) as processes:
        playing = [processes.submit(replay, path, make_site) for path in paths]
        return [
            [PathResult("/", f"{path.stem}: could not be played: {problem!r}")] if (problem := played.exception()) else played.result()
            for path, played in zip(paths, playing, strict=True)
        ]
