"""Proposals of `tocsin tune` for the alarms that rose most often, for a dashboard: bounded, kept for some minutes, one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos
from backend.history.port import History
from backend.live.model import LiveTree
from backend.tuning.gather import Gatherer, Range
from backend.tuning.proposals import Judgement, propose

MOST_ALARMS = 5
MOST_EVENTS = 2_000
"""Of each alarm the newest are replayed; `tocsin tune` takes more."""
LONGEST_S = 8.0
"""After that no further alarm is begun: Grafana waits for 20 s."""
LONGEST_WAIT_S = 8.0
"""For others that ask."""
KEPT_NS = 600 * NANOS_PER_SECOND
CUT_KEPT_NS = 60 * NANOS_PER_SECOND
_MOST_KEPT = 16


@dataclass(frozen=True, slots=True)
class Proposed:
    """What was found for a range."""

    computed: Nanos
    judgements: tuple[Judgement, ...]
    """The alarm that rose most often first."""
    left: int = 0
    """So many more were to be judged when time ran out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    span: Range
    prefix: str
    """Path of what is looked at; `/` for everything."""
    number: int

    @property
    def key(self) -> tuple[object, ...]:
        """The same while a range that ends now moves on by less than is kept."""
        return (self.span.config, self.prefix, self.number, self.span.start // KEPT_NS, self.span.end // KEPT_NS)


class Suggestions:
    """Finds proposals, and keeps them. Replays run in a thread, one at a time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Proposed] = {}
        self._one_at_a_time = asyncio.Lock()

    async def of(self, tree: LiveTree, history: History, wanted: Wanted, now: Nanos) -> Proposed | None:
        """Proposals, perhaps some minutes old; None: others are being made for so long that it is better to ask again.

        Settings in force are those of the live tree; what is gone from it is not judged. `HistoryError` goes through.
        """
        if (kept := self._still(wanted, now)) is not None:
            return kept
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            return None
        try:
            if (kept := self._still(wanted, now)) is None:
                kept = await _find(tree, history, wanted, now)
                self._keep(wanted, kept)
            return kept
        finally:
            self._one_at_a_time.release()

    def _still(self, wanted: Wanted, now: Nanos) -> Proposed | None:
        kept = self._kept.get(wanted.key)
        if kept is None or now - kept.computed >= (CUT_KEPT_NS if kept.left else KEPT_NS):
            return None
        return kept

    def _keep(self, wanted: Wanted, found: Proposed) -> None:
        self._kept.pop(wanted.key, None)
        self._kept[wanted.key] = found
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]


async def _find(tree: LiveTree, history: History, wanted: Wanted, now: Nanos) -> Proposed:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LONGEST_S
    gatherer = Gatherer(history, wanted.span, MOST_EVENTS)
    found: list[Judgement] = []
    left = wanted.number
    try:
        async with asyncio.timeout_at(deadline):
            worst = await gatherer.worst(wanted.prefix, wanted.number)
        judged = [tree.alarms[path] for path in worst if path in tree.alarms]
        left = len(judged)
        for alarm in judged:
            if loop.time() >= deadline:
                break
            async with asyncio.timeout_at(deadline):
                recording = await gatherer.recording(alarm.path)
            found.append(await asyncio.to_thread(propose, recording, alarm.settings))  # cannot be ended, but is bounded by the events
            left -= 1
    except TimeoutError:
        pass
    return Proposed(now, tuple(found), left)
