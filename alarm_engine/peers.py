"""The other engines of a cell, by the life signs that they give."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from alarm_engine.clock import Clock
from alarm_engine.errors import JournalError, JournalUnavailable, WireError
from alarm_engine.journal.port import Journal, JournalReader, StoredRecord
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic, Nanos
from alarm_engine.wire.keys import RecordType, parse_key
from alarm_engine.wire.status import decode_status

log = structlog.get_logger()

FRESH_NS = 3 * NANOS_PER_SECOND
"""Life signs come each second."""
_DEAF_NS = 10 * NANOS_PER_SECOND
"""An engine that hears nothing, and cannot, takes part all the same: a standby that never stands in is worse than a cold one."""
_LATELY_NS = 900 * NANOS_PER_SECOND
"""Longer than most outages, in which nobody is heard."""
_BACK = 50
_RETRY_S = 1.0


class _Heard(NamedTuple):
    status: EngineStatus
    at: Monotonic


class Signs:
    """Life signs as they came. Pure: time is handed in, and it is that of whoever hears, never of whoever speaks."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._running: dict[str, _Heard] = {}
        self._standing_by: dict[tuple[str, str], _Heard] = {}
        self._first: dict[tuple[str, str], Monotonic] = {}
        """Since when it may have kept whatever nobody has decided."""
        self._last: dict[str, Monotonic] = {}
        """When another engine last said anything of a configuration."""

    def hear(self, kind: RecordType, status: EngineStatus, at: Monotonic) -> None:
        """A life sign; our own are left aside."""
        if status.engine == self._me:
            return
        self._last[status.config] = at
        if kind is RecordType.STATUS:
            self._running[status.config] = _Heard(status, at)
        elif kind is RecordType.STANDBY:
            self._standing_by[status.config, status.engine] = _Heard(status, at)
            if status.candidate:
                self._first.setdefault((status.config, status.engine), at)
            else:  # it has only just come to follow it, or come again: in a container it has the same name then
                self._first[status.config, status.engine] = at

    def running(self, config: str, now: Monotonic, since: Monotonic | None = None) -> EngineStatus | None:
        """Of another engine that runs a configuration now; `since`: only if it was heard after that moment."""
        heard = self._running.get(config)
        if heard is None or now - heard.at >= FRESH_NS or (since is not None and heard.at <= since):
            return None
        return heard.status

    def has_others(self, config: str, now: Monotonic) -> bool:
        """There was another engine lately, that may be there still: what it says may not reach us."""
        last = self._last.get(config)
        return last is not None and now - last < _LATELY_NS

    def standing_by(self, config: str, now: Monotonic, since: Monotonic | None = None) -> list[EngineStatus]:
        """Of others that follow it now; `since`: only of those that were candidates before that moment, and have been ever since."""
        for key in [key for key, heard in self._standing_by.items() if now - heard.at >= FRESH_NS]:
            del self._standing_by[key]
        found = ((key, heard.status) for key, heard in self._standing_by.items() if key[0] == config)
        return [status for key, status in found if since is None or self._first[key] < since]


class Peers:
    """Follows the life signs of a cell; belongs to the event loop of the engine."""

    def __init__(self, journal: Journal, topic: str, me: str, clock: Clock) -> None:
        self._journal = journal
        self._topic = topic
        self._clock = clock
        self._signs = Signs(me)
        self._task: asyncio.Task[None] | None = None
        self._began = _now()
        self._empty = False
        self._known = False

    def start(self) -> None:
        """Begin to listen."""
        self._began = _now()
        self._task = asyncio.create_task(self._listen(), name="life signs of others")

    async def stop(self) -> None:
        """Listen no more; may be called again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def sure(self) -> bool:
        """Whoever runs a configuration would have been heard by now, or never will be: a right to read may be missing."""
        listened = _now() - self._began
        return (self._known and (self._empty or listened > FRESH_NS // 2)) or listened > _DEAF_NS

    def running(self, config: str, since_s: float | None = None) -> EngineStatus | None:
        """See `Signs.running`; `since_s` by the monotonic clock."""
        return self._signs.running(config, _now(), _monotonic(since_s))

    def has_others(self, config: str) -> bool:
        """See `Signs.has_others`."""
        return self._signs.has_others(config, _now())

    def standing_by(self, config: str, since_s: float | None = None) -> list[EngineStatus]:
        """See `Signs.standing_by`; `since_s` by the monotonic clock."""
        return self._signs.standing_by(config, _now(), _monotonic(since_s))

    async def _listen(self) -> None:
        said = ""
        while True:
            reader: JournalReader | None = None
            try:
                end = await self._journal.end(self._topic)
                reader = self._journal.reader([self._topic], {self._topic: max(0, end - _BACK)})
                fetched = await reader.fetch(timeout_s=_RETRY_S)
                self._empty = not fetched.records
                # What was said before we came is no sign of life, unless the clocks agree that it was a moment ago.
                since = Nanos(self._clock.now().wall - FRESH_NS)
                for record in fetched.records:
                    self._hear(record, since)
                self._known = True
                while True:
                    for record in (await reader.fetch()).records:
                        self._hear(record, Nanos(0))
            except JournalError as problem:
                if str(problem) != said:
                    log.warning("life signs of other engines cannot be read", topic=self._topic, problem=str(problem))
                said = str(problem)
                if isinstance(problem, JournalUnavailable):
                    # Nobody could say anything meanwhile: as at the start, it is listened first when that is over. An engine that made room
                    # and took part again at once would be elected beside the one that it made room for.
                    self._known, self._began = False, _now()
            finally:
                if reader is not None:
                    await reader.close()
            await asyncio.sleep(_RETRY_S)

    def _hear(self, record: StoredRecord, since: Nanos) -> None:
        try:
            kind, _ = parse_key(record.key)
            if record.time >= since:
                self._signs.hear(kind, decode_status(record.value or b""), _now())
        except WireError as problem:
            log.debug("life sign skipped", problem=str(problem))


def _monotonic(seconds: float | None) -> Monotonic | None:
    return None if seconds is None else Monotonic(round(seconds * NANOS_PER_SECOND))


def _now() -> Monotonic:
    """The time of the event loop, in which life signs are waited for: the engine's clock may stand still while it starts (a replay)."""
    return Monotonic(round(asyncio.get_running_loop().time() * NANOS_PER_SECOND))
