"""Ownership by election in Kafka: the engines of a cell are one consumer group, and a configuration is whose its partition is.

Others elect in the same way, each kind in a group of its own: see `kafka_electorate`.

The group elects, and for engines the journal's fence decides: whoever was elected ends its predecessor by the transactional id, so an
engine that does not know yet that it lost can write nothing. This allows to go on where it matters:

- An engine that hangs, or that the group gives no more, ends its leases at once.
- One that only does not reach Kafka keeps them, in doubt: it writes nothing until an answer could have come, and its inputs are kept. The
  next answer of the group decides: assigned to it again, as where it is the only engine, and nothing has happened; assigned to another,
  and it ends.

A member of a group that no fence keeps out gives up at once what it cannot be sure of.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog

from alarm_engine.errors import JournalError, SettingsError
from alarm_engine.journal.kafka_cluster import Cluster
from alarm_engine.journal.kafka_ownership import Owner
from alarm_engine.journal.kafka_requests import ask
from alarm_engine.journal.kafka_settings import KafkaSettings
from alarm_engine.ownership.kafka_electorate import Electorate, engines
from alarm_engine.ownership.kafka_holders import Holders, View
from alarm_engine.ownership.kafka_lease import KafkaLease
from alarm_engine.ownership.kafka_member import Member
from alarm_engine.ownership.kafka_relay import Relay
from alarm_engine.ownership.port import Wait

_log = structlog.get_logger()
T = TypeVar("T")

_TICK_S = 0.5
_LOOK_S = 1.0
_CALM_LOOK_S = 5.0
_CALM_AFTER = 10
"""Looks until whoever waits has heard all there is to hear, and is in for a long wait."""
_ELECTION_S = 4.0
"""A new group waits 3 s for company before it elects (group.initial.rebalance.delay.ms of the broker)."""
_REQUEST_S = 2.0
_CLOSE_S = 1.2
_REQUEST = "kafka-ownership"


class KafkaOwnership:
    """An `Ownership` for the engines of `settings.cell`, or for others. Belongs to the event loop that starts it."""

    def __init__(self, settings: KafkaSettings, who: Iterable[str] | Electorate) -> None:
        """`who`: the configurations of the cell, the same for all its engines; or another electorate than those."""
        patience_s = min(settings.request_timeout_s, _REQUEST_S)
        self._settings = replace(settings, owns=None, request_timeout_s=patience_s)
        self._owner = Owner.this(settings)
        self._cluster = Cluster(self._settings)
        self._who = who if isinstance(who, Electorate) else engines(settings, who)
        self._holders = Holders(self._cluster, self._owner, self._who)
        self._configs = frozenset(self._who.topics)
        self._member: Member | None = None
        self._relay: Relay | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._mine: set[str] = set()
        self._joined: set[str] = set()
        """What we take part for."""
        self._leases: dict[str, KafkaLease] = {}
        self._leaving: list[tuple[set[str], threading.Event]] = []
        """What the group waits for to be released, and how it learns that."""
        self._waiting: Counter[str] = Counter()
        self._view = View()
        self._trouble = ""
        self._confirmed = 0
        self._doubted: int | None = None
        """The number of the question that was asked after this engine stood still, until it is answered."""
        self._since = 0.0
        """When an election began, or may have begun."""
        self._changed = asyncio.Event()
        self._look_now = asyncio.Event()

    async def start(self) -> None:
        """See `Ownership.start`. Raises `SettingsError` for settings of no use."""
        if self._member is not None:
            return
        if self._cluster.given_up:
            self._cluster = Cluster(self._settings)
            self._holders = Holders(self._cluster, self._owner, self._who)
        self._since = time.monotonic()
        self._confirmed = 0
        self._relay = Relay(self, self._who.configs, asyncio.get_running_loop())
        self._member = Member(self._cluster, self._owner, self._who, self._relay)
        try:
            await self._ask(self._member.start)
        except BaseException:
            self._member = None
            raise
        self._tasks = [
            asyncio.create_task(self._tick(self._member), name="life sign for the group"),
            asyncio.create_task(self._look(self._member), name="look for owners"),
        ]

    async def acquire(self, config: str, waiting: Callable[[Wait], None]) -> KafkaLease:
        """See `Ownership.acquire`."""
        if config not in self._configs:
            raise SettingsError(f"configuration {config!r} is none{self._who.where}: {', '.join(sorted(self._configs))}")
        member = self._member
        if member is None:
            raise SettingsError("ownership was not started")
        told = Wait("", False)
        self._waiting[config] += 1
        self._joined.add(config)
        self._look_now.set()
        count = 0
        try:
            while True:
                changed = self._changed
                wait = await self._obstacle(config, member) if config in self._mine else self._why_not(config)
                if not wait.why and config in self._mine:
                    lease = self._leases[config] = KafkaLease(config, self._released, partial(self._is_late, member))
                    return lease
                if wait.why and wait != told:
                    told = wait
                    waiting(wait)
                count += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S if count < _CALM_AFTER else _CALM_LOOK_S):
                        await changed.wait()
        finally:
            self._waiting[config] -= 1

    async def withdraw(self, config: str) -> None:
        """See `Ownership.withdraw`."""
        self._joined.discard(config)
        self._look_now.set()

    async def close(self) -> None:
        """See `Ownership.close`: the group is told, if it can be told soon."""
        member, self._member = self._member, None
        relay = self._relay
        if member is None or relay is None:
            return
        for config in list(self._leases):
            self._end(config, f"this {self._who.kind} stops")
        self._leases.clear()
        self._settle()
        member.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await relay.over.wait()
        except TimeoutError:
            _log.warning("the group is left without waiting for Kafka: others take over only when the session is over")
        self._cluster.give_up()
        await ask(self._holders.close, _REQUEST)
        self._mine.clear()
        self._view = View()

    # ------------------------------------------------------------------ why not

    async def _obstacle(self, config: str, member: Member) -> Wait:
        """What speaks against a lease of what is assigned to us.

        An engine that hung or was paused may not know yet that the group has given it up: so the group is asked.
        """
        number = member.ask()
        try:
            async with asyncio.timeout(_LOOK_S):
                while self._confirmed < number and config in self._mine:
                    await self._changed.wait()
            return Wait(await self._ask(partial(self._holders.obstacle, config)), True)
        except TimeoutError:
            return Wait(self._trouble or (self._cluster.complaints.unreachable() if self._cluster.complaints.silent else ""), True)
        except (JournalError, SettingsError) as problem:
            return Wait(str(problem), True)

    def _why_not(self, config: str) -> Wait:
        """What is known of a configuration that is not assigned to us."""
        view = self._view
        if config in view.problems or self._trouble:
            return Wait(view.problems.get(config) or self._trouble, True)
        if config in view.held_by_others:
            return Wait(view.held_by_others[config], False)
        if time.monotonic() - self._since < _ELECTION_S:
            return Wait("", False)
        return Wait(f"configuration {config!r} waits for the {self._who.all} to elect one of them", False)

    async def _look(self, member: Member) -> None:
        """Look now and then, for all that wait together."""
        count = 0
        while True:
            wanted = {config for config, number in self._waiting.items() if number} | self._doubtful | (self._configs - self._view.ready)
            wanted -= self._mine & self._view.ready
            self._look_now.clear()
            count = count + 1 if wanted else 0
            if wanted:
                self._view = await self._ask(partial(self._holders.look, wanted, self._view.ready))
            member.wanted = frozenset(self._who.topics[config] for config in self._view.ready & self._joined)
            if wanted:
                for config in self._doubtful & self._view.held_by_others.keys():
                    self._end(config, self._view.held_by_others[config])
                self._announce()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if count < _CALM_AFTER else _CALM_LOOK_S):
                    await self._look_now.wait()

    async def _tick(self, member: Member) -> None:
        while True:
            if self._is_late(member) and self._who.writes:
                # The group may have given us up, and not have said so yet: it is asked before anything is published.
                for config in self._mine & self._leases.keys():
                    self._leases[config].doubt()
                self._doubted = member.ask()
            member.ticked = time.monotonic()
            await asyncio.sleep(_TICK_S)

    def _is_late(self, member: Member) -> bool:
        return time.monotonic() - member.ticked > self._settings.session_s

    async def _ask(self, question: Callable[[], T]) -> T:
        return await ask(question, _REQUEST)

    # ------------------------------------------------------------------ what the group says, on the event loop

    def assigned(self, configs: frozenset[str]) -> None:
        """The group is at rest again."""
        self._mine |= configs
        for config in self._doubtful:
            if config in configs:
                self._leases[config].sure()
            else:
                self._end(config, f"the {self._who.all} have elected another one while this one did not reach Kafka")
        self._announce()

    def revoked(self, configs: frozenset[str], done: threading.Event) -> None:
        """Another is to have them."""
        self._mine -= configs
        self._since = time.monotonic()
        self._leaving.append(({config for config in configs if config in self._leases}, done))
        for config in configs:
            self._end(config, f"configuration {config!r} goes to another {self._who.one}")
        self._settle()

    def lost(self, configs: frozenset[str], hung: bool) -> None:
        """They are not ours any more."""
        self._mine -= configs
        self._since = time.monotonic()
        for config in configs & self._leases.keys():
            after_s = f"{self._settings.session_s:g} s"
            if hung:
                self._end(config, f"this {self._who.kind} hung for more than {after_s}: another {self._who.one} may begin")
            elif not self._who.writes:
                self._end(config, f"Kafka was not heard for more than {after_s}: another {self._who.one} may begin")
            else:
                self._leases[config].doubt()
        self._look_now.set()
        self._announce()

    def confirmed(self, number: int) -> None:
        """What is ours was ours a moment ago."""
        self._confirmed = number
        if self._doubted is not None and number >= self._doubted:
            self._doubted = None
            for config in self._mine & self._leases.keys():
                self._leases[config].sure()
        self._announce()

    def troubled(self, problem: str) -> None:
        """Why we cannot take part."""
        if problem != self._trouble:
            self._trouble = problem
            self._announce()

    def _released(self, lease: KafkaLease) -> None:
        if self._leases.get(lease.config) is lease:
            del self._leases[lease.config]
        self._settle()

    def _settle(self) -> None:
        for configs, done in self._leaving:
            configs &= self._leases.keys()
            if not configs:
                done.set()
        self._leaving = [(configs, done) for configs, done in self._leaving if configs]

    def _end(self, config: str, why: str) -> None:
        lease = self._leases.get(config)
        if lease is not None:
            lease.end(why)

    @property
    def _doubtful(self) -> set[str]:
        """What goes on although the group has not been heard for too long."""
        return {config for config, lease in self._leases.items() if lease.is_doubted and not lease.is_lost}

    def _announce(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
