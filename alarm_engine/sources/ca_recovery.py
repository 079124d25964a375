"""When to look again for channels whose server went, faster than libca does by itself.

libca searches a lost channel ever less often, up to five minutes apart, unless it hears a beacon of the server, which routers and name
servers do not pass on; and of ten thousand that are searched at once some replies are lost, and wait for the next turn. A channel that is
made anew is searched at once. So a few *scouts* of each lost server are made anew every few seconds; once the first PV is back, so are
those that do not follow by themselves.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import islice

from alarm_engine.model.times import NANOS_PER_SECOND

SCOUTS = 2
"""More than one: a record may be gone from the database."""
SCOUT_NS = 4 * NANOS_PER_SECOND
QUIET_NS = 3 * NANOS_PER_SECOND // 2
"""Nothing came back for so long: those that are missing do not come by themselves. Doubles with each try, for a server may be slow."""
TRIES = 4
REMNANT_NS = 60 * NANOS_PER_SECOND
"""Between scouts of what a server that is back does not have any more."""


@dataclass(slots=True)
class _Lost:
    numbers: dict[int, None] = field(default_factory=dict)
    """In the order in which they are to be tried."""
    next: int = 0
    """Monotonic nanoseconds."""
    tries: int = 0
    is_back: bool = False


class Recovery:
    """Knows channels by their number; times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._servers: dict[str, _Lost] = {}
        self._of: dict[int, str] = {}

    def went(self, number: int, server: str, now: int) -> None:
        """The server does not serve a channel any more."""
        lost = self._servers.get(server)
        if lost is None:
            # Not all servers of a network that was cut at the same moment.
            lost = self._servers[server] = _Lost(next=now + SCOUT_NS // 2 + random.randrange(SCOUT_NS))
        elif lost.is_back:
            self._servers[server] = lost = _Lost(lost.numbers, now + SCOUT_NS)
        lost.numbers[number] = None
        self._of[number] = server

    def came(self, number: int, now: int) -> None:
        """A channel is connected, wherever."""
        lost = self._forget(number)
        if lost is not None:
            lost.is_back, lost.tries, lost.next = True, 0, now + QUIET_NS

    def removed(self, number: int) -> None:
        """A channel is no more."""
        self._forget(number)

    def renewed(self, number: int, new: int) -> None:
        """A channel was made anew; it is the last of its server to be tried again."""
        server = self._of.pop(number, None)
        if server is not None:
            self._of[new] = server
            self._servers[server].numbers.pop(number)
            self._servers[server].numbers[new] = None

    def due(self, now: int) -> list[int]:
        """Channels that are to be made anew."""
        due: list[int] = []
        for lost in self._servers.values():
            if lost.next > now:
                continue
            if lost.is_back and lost.tries < TRIES:
                due += lost.numbers
                lost.tries += 1
                lost.next = now + (QUIET_NS << lost.tries)
            else:
                due += islice(lost.numbers, SCOUTS)
                lost.next = now + (REMNANT_NS if lost.is_back else SCOUT_NS)
        return due

    def _forget(self, number: int) -> _Lost | None:
        server = self._of.pop(number, None)
        if server is None:
            return None
        lost = self._servers[server]
        del lost.numbers[number]
        if not lost.numbers:
            del self._servers[server]
        return lost
