"""One configuration kept at what its files say: looked at, checked, written as a revision, and told about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from alarm_engine.config.load import LoadResult
from alarm_engine.config.plan import SyncPlan, drift
from alarm_engine.config.sync import Author, Synchroniser, Wanted, Writer
from alarm_engine.errors import JournalCorrupt, JournalFenced, JournalUnavailable
from alarm_engine.journal.port import Journal
from alarm_engine.model.times import Nanos
from alarm_engine.wire.report import KEPT, Drift, FileReport
from alarm_engine.wire.revision import Commit, Revision, RevisionState
from tocsin.commits import find_commit
from tocsin.file_stamps import Settling, Stamps, look
from tocsin.held_writer import HeldWriter
from tocsin.trees import Loaded, load, report

log = structlog.get_logger()

_DRIFT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How files are followed."""

    author: Author
    writer: Callable[[str], Writer]
    """Makes what opens the journal for revisions of a configuration."""
    period_s: float = 0.25
    """Between two looks at the files."""
    keep: bool = True
    """Edits of clients stay until the files say something new there; else they are overwritten at once."""
    strict: bool = False
    """Files with faults are refused at the start too; else what is good in them comes into force then."""
    commit: str = ""
    """Instead of what git says."""


class TreeFollower:
    """Belongs to one event loop; `run` follows until it is cancelled."""

    def __init__(self, journal: Journal, loaded: Loaded, options: FollowOptions, changed: Callable[[], None]) -> None:
        """`changed` is called after another tree came into force."""
        assert loaded.settings.tree is not None
        self._file: Path = loaded.settings.tree
        self._options = options
        self._changed = changed
        self._sync = Synchroniser(loaded.tree.name, ZoneInfo(loaded.tree.time_zone), journal)
        self._writer = options.writer(loaded.tree.name)
        self._settling = Settling(loaded.stamps)
        self._memory = loaded.memory
        self._wanted = loaded
        self._late = True
        """What is wanted is yet to be brought into force."""
        self._adopted = False
        """It was in force once."""
        self._told: FileReport | None = None
        self._asked: list[asyncio.Future[None]] = []
        self._looked = 0.0
        self._drift_seen = -1
        self._drift_at = 0.0
        self._drift: list[Drift] = []
        self._faults: tuple[str, ...] = ()
        self._commit = Commit()
        self._refused = Commit()
        self.loaded = loaded
        """What is in force, or was last tried to."""
        self.problem = ""
        """Why good files are not in force; empty while nothing is wrong."""

    # ------------------------------------------------------------------ what others see

    @property
    def config(self) -> str:
        """Name of the configuration."""
        return self.loaded.tree.name

    @property
    def is_refused(self) -> bool:
        """The files have faults: what was in force stays."""
        return bool(self._faults)

    @property
    def is_late(self) -> bool:
        """Good files have yet to be brought into force; also for the moment that it takes."""
        return self._late and not self._faults

    @property
    def revision(self) -> Revision | None:
        """The newest revision, whoever wrote it."""
        return self._sync.in_force.revision

    @property
    def drift_count(self) -> int:
        """Paths at which somebody else than the files has the last word."""
        return len(self._drift)

    def file_report(self) -> FileReport:
        """What there is to say now."""
        return FileReport(
            time=Nanos(time.time_ns()),
            host=self._options.author.host,
            commit=self._refused if self._faults else self._commit,
            faults=self._faults[:KEPT],
            fault_count=len(self._faults),
            drift=tuple(self._drift[:KEPT]),
            drift_count=len(self._drift),
            problem=self.problem,
        )

    async def ask(self, timeout_s: float) -> bool:
        """Look at the files now; True when that was done within the time. It is done in any case."""
        asked = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(asked)
        except TimeoutError:
            return False
        return True

    # ------------------------------------------------------------------ following

    async def start(self) -> None:
        """Bring the files into force, if that is possible now."""
        self._commit = await asyncio.to_thread(find_commit, self._file, self._options.commit)
        if self._options.strict and self.loaded.faults:
            self._late = False
            self._refuse(await asyncio.to_thread(load, self.loaded.settings), self._commit)
        await self._prepare()
        await self._bring()
        await self._tell()

    async def stop(self) -> None:
        """Let go of the journal."""
        await self._sync.close()
        if isinstance(self._writer, HeldWriter):
            await self._writer.close()

    async def run(self) -> None:
        """Follow files and topics."""
        while True:
            now = time.monotonic()
            if self._asked or now - self._looked >= self._options.period_s:
                self._looked = now
                await self._look()
            if not await self._prepare():
                await asyncio.sleep(self._options.period_s)
                continue
            try:
                await self._sync.follow(self._options.period_s)
                await self._look_at_drift()
            except (JournalUnavailable, JournalCorrupt) as problem:
                self._complain(str(problem))
                await asyncio.sleep(self._options.period_s)
            await self._tell()

    async def _prepare(self) -> bool:
        """Read what is in force, once; False while that is not possible."""
        if not self._sync.is_ready:
            try:
                await self._sync.start()
            except (JournalUnavailable, JournalCorrupt) as problem:
                self._complain(str(problem))
                return False
        return True

    async def _look(self) -> None:
        asked, self._asked = self._asked, []
        names = self._settling.read.names
        now = await asyncio.to_thread(look, self._file, names)
        ready = self._settling.may_read(now)
        if self._settling.has_changed(now) and not (ready and await self._read(now)):
            self._asked += asked  # being written: answered when that is done
            return
        await self._bring()
        await self._tell()
        for one in asked:
            if not one.done():
                one.set_result(None)

    async def _read(self, now: Stamps) -> bool:
        """Read files that changed; those that pass are wanted from now on. False: they were written to meanwhile."""
        again, result = await asyncio.to_thread(load, self.loaded.settings, self._memory)
        if await asyncio.to_thread(look, self._file, now.names) != now:
            return False
        commit = await asyncio.to_thread(find_commit, self._file, self._options.commit)
        report(result)
        self._settling.was_read(again.stamps if again is not None else await asyncio.to_thread(look, self._file, result.files or now.names))
        if again is None or result.errors or again.tree.name != self.config:
            self._refuse((again, result), commit)
        else:
            self._faults = ()
            self._wanted, self._commit, self._late = again, commit, True
        return True

    def _refuse(self, read: tuple[Loaded | None, LoadResult], commit: Commit) -> None:
        again, result = read
        faults = [str(fault) for fault in result.errors]
        if again is not None and again.tree.name != self.config:
            faults.append(f"{self._file}: is named {again.tree.name} now, and was {self.config}: another name is another configuration")
        self._faults, self._refused = tuple(faults) or (f"{self._file}: cannot be read",), commit
        log.error(
            "alarm tree refused: what was there stays in force",
            config=self.config,
            file=str(self._file),
            commit=commit.id,
            faults=len(self._faults),
        )

    async def _bring(self) -> None:
        """What is wanted into force, if it is not and if that is possible now; said once if it is not."""
        if not self._late or not self._sync.is_ready:
            return
        loaded = self._wanted
        wanted = Wanted(loaded.tree, self._options.author, self._commit, loaded.left_out, self._options.keep)
        try:
            difference = await self._sync.bring(wanted, self._writer)
        except JournalFenced as problem:
            log.info("another sync has written meanwhile: looking again", config=self.config, problem=str(problem))
            return
        except (JournalUnavailable, JournalCorrupt) as problem:
            self._complain(str(problem))
            return
        self._late, self._adopted, self.problem = False, True, ""
        news = loaded is not self.loaded
        self.loaded = loaded
        _log(loaded, difference, self._commit)
        if news:
            self._changed()

    async def _look_at_drift(self) -> None:
        """Compare what is in force with the files, where it changed since; now and then, for a large tree takes its time."""
        found, now = self._sync.in_force, time.monotonic()
        if self._late or not self._adopted or found.changes == self._drift_seen or now - self._drift_at < _DRIFT_EVERY_S:
            return
        self._drift_seen, self._drift_at = found.changes, now
        tree = self.loaded.tree
        wanted = Wanted(tree, self._options.author, self._commit, self.loaded.left_out, keep=True)
        plan = await asyncio.to_thread(self._sync.plan, wanted)
        before, self._drift = self._drift, drift(plan, found.topic, tree)
        if self._drift and len(self._drift) != len(before):
            log.warning("in force is not what the files say", config=self.config, paths=len(self._drift), first=self._drift[0].path)
        mark = found.revision
        given_up = mark is not None and mark.state is RevisionState.DISCARDED and mark.number == found.number
        if given_up or (not self._options.keep and plan.drifted):
            self._late = True
            await self._bring()
        else:
            self.problem = "" if plan.is_empty else "another sync has brought other files into force"

    async def _tell(self) -> None:
        """Into the journal, for everybody who shows it; what was said is not said again, else two of us would never end."""
        told = self.file_report()
        if not self._sync.is_ready or told.says_the_same(self._told):
            return
        try:
            await self._sync.report(told)
            self._told = told
        except (JournalUnavailable, JournalCorrupt) as problem:
            log.debug("cannot report", config=self.config, problem=str(problem))

    def _complain(self, problem: str) -> None:
        if self.problem != problem:
            log.error("alarm tree not in force yet: the journal cannot be used", config=self.config, problem=problem)
        self.problem = problem


def _log(loaded: Loaded, difference: SyncPlan, commit: Commit) -> None:
    moved = len(difference.moved)
    log.info(
        "alarm tree in force",
        config=loaded.tree.name,
        alarms=len(loaded.tree.alarms),
        added=len(difference.added) - moved,
        edited=len(difference.edited),
        removed=len(difference.removed) - moved,
        moved=moved,
        only_in_topic=len(difference.foreign),
        **({"commit": commit.id} if commit.id else {}),
    )
