"""Several processes keep one history: each configuration is served by one of them, and another goes on where that one ended.

Who serves is elected; the events are safe in any case, for each is stored under its own id. So a process that was paused, and does not know
yet that another has taken its place, does no harm with what it is about; what else is written to a store is guarded there (see
`elastic_summaries`, `elastic_past` and `elastic_retention`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from alarm_engine.errors import HistoryError
from alarm_engine.ownership.port import Ownership, Wait
from backend.history.port import HistoryStore
from backend.history.shift import Counts, Shift

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_BEGINNING = Wait("it is not known yet who serves", True)

log = structlog.get_logger()


class HistoryGroup:
    """This process among those that keep a history."""

    def __init__(
        self, store: HistoryStore, ownership: Ownership | None, configs: Sequence[str], make: Callable[[Sequence[str]], Shift]
    ) -> None:
        """`make` gives a shift for some configurations; the store is closed by whoever made it.

        `ownership` None: there are no others, as with a store that no other process writes to; one shift serves everything.
        """
        self._store = store
        self._ownership = ownership
        self._configs = tuple(configs)
        self._make = make
        self._shifts: dict[str, Shift] = {}
        """Under way, by configuration."""
        self._waits = dict.fromkeys(self._configs, _BEGINNING)
        """Why a configuration is not served here, as it was last heard."""
        self._opened = False
        self._problem = "not started"
        self._counts = Counts()
        """Of shifts that have ended, and of the opening."""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def configs(self) -> Sequence[str]:
        """All that this process may serve."""
        return self._configs

    @property
    def lag(self) -> int:
        """Offsets from the first record not yet stored to the end of the journal, of what is served here."""
        return sum(shift.lag for shift in self._under_way)

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        total = self._counts
        for shift in self._under_way:
            total = total.plus(shift.counts)
        return total

    @property
    def failed(self) -> int:
        """Records since the start that could not be stored as events: they are among the dead letters."""
        return self.counts.unreadable + self._store.buried

    @property
    def problem(self) -> str:
        """Why this process neither serves as it should nor is ready to; empty while it does or is."""
        waiting = [self._waits[config] for config in self._configs if config not in self._shifts]
        problems = [self._problem, *(shift.problem for shift in self._under_way)]
        if not any(problems):
            problems += [wait.why for wait in waiting if wait.trouble]
        return "; ".join(dict.fromkeys(filter(None, problems)))

    def serves(self, config: str) -> bool:
        """This process writes the history of the configuration."""
        return config in self._shifts

    def stands_by(self, config: str) -> bool:
        """Another process does, as far as is known, and this one is ready to go on."""
        return self._opened and config not in self._shifts and not self._waits[config].trouble

    def failure(self) -> BaseException | None:
        """What ended a part that must not end; None while all goes on."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError(f"{task.get_name()} ended")
        return next((failure for shift in self._under_way if (failure := shift.failure())), None)

    async def start(self) -> None:
        """Begin to serve, or to take part in the election. Raises `SettingsError` if that cannot be."""
        if self._ownership is None:
            self._problem = ""
            shift = self._make(self._configs)
            self._shifts = dict.fromkeys(self._configs, shift)
            await shift.start()
        elif not self._tasks:
            self._problem = "the history is not open yet"
            await self._ownership.start()
            self._tasks = [asyncio.create_task(self._take_part(self._ownership), name="history group")]

    async def stop(self) -> None:
        """Stop, so that another can go on at once; may be called again."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for shift in self._under_way:
            await shift.stop()
        if self._ownership is not None:
            await self._ownership.close()
        self._problem = "stopped"

    @property
    def _under_way(self) -> list[Shift]:
        return list(dict.fromkeys(self._shifts.values()))

    async def _take_part(self, ownership: Ownership) -> None:
        """Only with a store that answers: others may reach it."""
        await self._open()
        async with asyncio.TaskGroup() as tasks:
            for config in self._configs:
                tasks.create_task(self._serve(ownership, config), name=f"history of {config}")

    async def _open(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._store.start()
            except HistoryError as problem:
                if not self._problem.endswith(str(problem)):
                    log.error("history cannot be opened, trying again", problem=str(problem))
                self._problem = f"cannot open the history: {problem}"
                self._counts = self._counts.plus(Counts(failures=1))
            else:
                self._problem, self._opened = "", True
                return
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _serve(self, ownership: Ownership, config: str) -> None:
        while True:
            lease = await ownership.acquire(config, partial(self._heard, config))
            log.info("this process writes the history", config=config)
            shift = self._shifts[config] = self._make([config])
            try:
                await shift.start()
                why = await lease.lost()
                log.warning("this process does not write the history any more", config=config, why=why)
                self._waits[config] = Wait(why, False)
            finally:
                await shift.stop()
                del self._shifts[config]
                self._counts = self._counts.plus(shift.counts)
                await lease.release()

    def _heard(self, config: str, wait: Wait) -> None:
        """Said once for each reason."""
        if wait != self._waits[config]:
            log.info("history is not written by this process", config=config, why=wait.why)
        self._waits[config] = wait
