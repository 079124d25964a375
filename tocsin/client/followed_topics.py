"""What a private backend is asked beside what it answers over HTTP: how it follows the topics, and how far it has read the past."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from alarm_engine.clock import SystemClock
from alarm_engine.errors import HistoryError
from alarm_engine.model.times import Nanos, to_datetime
from backend.api.lookup import moment
from backend.history.journal_history import JournalHistory
from backend.history.read_past import reading
from backend.live import Live
from backend.live.follower import Follower
from tocsin.client.asking import When, pinned, utc_now
from tocsin.client.errors import BadRequest, Fault, TimedOut
from tocsin.client.types.kafka import KafkaStatus, PastRead

_LOOK_S = 0.02
_PAUSE_S = 0.2


class FollowedTopics:
    """Belongs to the event loop of the backend."""

    def __init__(self, live: Live, history: JournalHistory) -> None:
        self._live = live
        self._history = history

    async def status(self) -> tuple[KafkaStatus, ...]:
        """How each configuration is followed."""
        return tuple(map(_status, self._live.followers.values()))

    async def until_ready(self, timeout_s: float) -> None:
        """Wait until all is read and alive; raises `TimedOut` with what is missing."""
        deadline = time.monotonic() + timeout_s
        while missing := [one for one in await self.status() if one.stale]:
            if time.monotonic() > deadline:
                told = "; ".join(f"{one.config}: {_missing(one)}" for one in missing)
                raise TimedOut(f"not ready within {timeout_s:g} s: {told}")
            await asyncio.sleep(_LOOK_S)

    async def past(self, config: str | None) -> PastRead:
        """How much of the past of a configuration was read."""
        name = self._name(config)
        found = self._history.progress(name)
        return PastRead(
            config=name,
            read=found.read,
            total=found.total,
            since=_datetime(found.since),
            whole=found.whole,
            begin=_datetime(found.begin),
        )

    async def read_past(self, config: str | None, since: When | None, timeout_s: float) -> PastRead:
        """Read the past back to a time; raises `TimedOut`."""
        name, back_to = self._name(config), pinned(since, "since", utc_now())
        try:
            time_ns = Nanos(0) if back_to is None else moment(back_to, SystemClock().now().wall)
        except ValueError as problem:
            raise BadRequest(f"since: {problem}", 422, (Fault("since", str(problem), back_to),)) from None
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._history.read(name, time_ns)
                return await self.past(name)
            except TimeoutError:
                raise TimedOut(f"not within {timeout_s:g} s: {reading(name, self._history.progress(name))}") from None
            except HistoryError as problem:
                if time.monotonic() > deadline:
                    raise TimedOut(f"not within {timeout_s:g} s: {problem}") from problem
                await asyncio.sleep(_PAUSE_S)

    def _name(self, config: str | None) -> str:
        names = list(self._live.followers)
        if config is None and len(names) == 1:
            return names[0]
        if config not in names:
            message = f"say which configuration: {', '.join(names)}" if config is None else f"there is no configuration {config!r} here"
            raise BadRequest(f"config: {message}", 422, (Fault("config", message, config),))
        return config


def _status(tree: Follower) -> KafkaStatus:
    freshness, problem = tree.freshness(), tree.problem or tree.fault
    return KafkaStatus(
        config=tree.config,
        caught_up=not tree.problem,
        stale=freshness.stale,
        server_gone=freshness.stale and not tree.problem and not tree.lagging,
        age_s=freshness.age_s,
        as_of=str(freshness.as_of) if freshness.as_of is not None else None,
        problem=problem,
    )


def _missing(one: KafkaStatus) -> str:
    if one.problem or not one.server_gone:
        return one.problem or "the journal is being read"
    since = "has never given a life sign" if one.age_s is None else f"gave its last life sign {one.age_s:.0f} s ago"
    return f"whoever evaluates its alarms {since}"


def _datetime(time: Nanos | None) -> datetime | None:
    return None if time is None else to_datetime(time)
