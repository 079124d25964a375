"""When an engine stands for election, and when it leaves that to others: who runs a configuration next must know what nobody decided."""

from __future__ import annotations

import asyncio

from alarm_engine.clock import Clock
from alarm_engine.model.status import EngineStatus
from alarm_engine.model.times import NANOS_PER_SECOND, Monotonic
from alarm_engine.ownership.port import Wait
from alarm_engine.peers import Peers
from alarm_engine.standby import Standby

WARM = 0.98
"""Share of the leader's connections that an engine needs to be of use as its successor ..."""
_WHOLE_NS = 5 * NANOS_PER_SECOND
"""... after this time, in which it waits for all of them: what a PV says that it has not, it cannot decide."""
_ELECTION_NS = 15 * NANOS_PER_SECOND
"""So long a newcomer waits for the election of one that stood by already, and to hear of any: a session of one that was killed, and more.
An engine that hears nothing, and cannot, takes part all the same after that."""
_SIGN_S = 0.5
"""So long after it had all PVs an engine must have heard from the one that runs: what was decided until then it need not know, what comes
later it has kept. One that took over earlier would know nothing of what nobody decided."""
_ROOM_NS = 8 * NANOS_PER_SECOND
"""After it made room an engine waits this long for its successor to begin."""
_AWAY_NS = 10 * NANOS_PER_SECOND
"""An engine that made room stands by again after this time."""


class Candidacy:
    """Of one engine, for one configuration. Belongs to its event loop."""

    def __init__(self, config: str, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._made_room: Monotonic | None = None
        """When it made room for another engine."""
        self._whole_since: float | None = None
        """Since when we have the PVs, by the clock of the event loop."""
        self.has_gaps = False
        """We had the configuration, and were hung, blind, or cut off: another engine may know of what we do not."""

    def make_room(self) -> None:
        """The configuration is better left to another one."""
        self._made_room = self._clock.now().monotonic

    def made_room_within(self, span_ns: int) -> bool:
        """It did, no longer ago than that."""
        return self._made_room is not None and self._clock.now().monotonic - self._made_room < span_ns

    @property
    def is_away(self) -> bool:
        """It made room a moment ago, and does not stand by yet."""
        return self.made_room_within(_AWAY_NS)

    def leaves_it(self, peers: Peers) -> bool:
        """After it lost the configuration: others are to be asked first, so it must not be given back at once."""
        return self.made_room_within(_ROOM_NS) or (self.has_gaps and peers.has_others(self._config))

    def begin(self) -> None:
        """It follows the configuration from here on."""
        self._whole_since = None

    def obstacle(self, standby: Standby, peers: Peers, since_ns: int) -> Wait | None:
        """Why it does not stand for election yet; None: it does. `since_ns`: for so long nothing but others has been in its way."""
        if standby.problem:
            return Wait(standby.problem, True)
        if not standby.caught_up:
            return Wait("this engine reads the journal", False)
        leader = peers.running(self._config)
        why = self._while_nobody_runs_it(peers, since_ns) if leader is None else self._beside(leader, standby.connected, peers, since_ns)
        return Wait(why, False) if why else None

    def _while_nobody_runs_it(self, peers: Peers, since_ns: int) -> str:
        if self.made_room_within(_ROOM_NS):
            return "this engine made room for another one, which has not begun yet"
        if since_ns >= _ELECTION_NS:
            return ""
        if not peers.sure:
            return "this engine listens whether another one runs it"
        candidate = next((peer.engine for peer in peers.standing_by(self._config) if peer.candidate), "")
        if candidate:
            return f"{candidate!r} has stood by for longer and is about to be elected"
        if self.has_gaps and peers.has_others(self._config):
            return "this engine hung or saw nothing for a while, and leaves the configuration to one that knows more, if there is one"
        return ""

    def _beside(self, leader: EngineStatus, connected: int, peers: Peers, since_ns: int) -> str:
        held = f"configuration {self._config!r} is held by {leader.engine!r}"
        if self.is_away:
            return f"{held}, for which this engine made room"
        if connected < leader.pvs_connected * (WARM if since_ns > _WHOLE_NS else 1):
            self._whole_since = None
            return f"{held}; this engine waits until it has as many PVs: {connected} of {leader.pvs_connected}"
        self._whole_since = self._whole_since or asyncio.get_running_loop().time()
        if peers.running(self._config, self._whole_since + _SIGN_S) is None:
            return f"{held}; this engine waits for a sign of life of it"
        self.has_gaps = False
        return ""
