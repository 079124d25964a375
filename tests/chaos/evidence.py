"""What the checker judges: what was true, what was asked for, what was published, and what was seen of it. Data without any I/O.

All times are nanoseconds of the wall clock, which everybody has in common: all of it runs on one machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Transition:
    """A record of an IOC became this."""

    pv: str
    severity: str
    value: int
    """A number that no other change of this record has."""
    time: int
    """The record's own time stamp; 0 where it is not known."""
    sure: bool = True
    """False: begun, and never known to have happened."""


@dataclass(frozen=True, slots=True)
class Blind:
    """From then to then nobody could see these records: an IOC was killed or hung. What they were meanwhile may be missing."""

    pvs: frozenset[str]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A command was sent, perhaps several times under the same id."""

    id: str
    kind: str
    path: str
    user: str
    time: int
    confirmed: int = 0
    """How many of the times the broker said that it has it."""
    sent: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that an observer read."""

    topic: str
    offset: int
    key: str
    value: bytes | None
    time: int
    """Time stamp of the record."""
    at: int
    """When it was read."""
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Fields:
    """A record whose value is JSON."""

    seen: Seen

    @cached_property
    def data(self) -> dict[str, Any]:
        """All fields."""
        found: dict[str, Any] = orjson.loads(self.seen.value or b"{}")
        return found


@dataclass(frozen=True)
class Line(Fields):
    """An event as it was read: one line of history."""

    @cached_property
    def epoch(self) -> int:
        """Which reign it is of."""
        return int(self.id.rsplit(".", 2)[1])

    @cached_property
    def number(self) -> int:
        """Its number within the reign."""
        return int(self.id.rsplit(".", 2)[2])

    @property
    def id(self) -> str:
        """Identity."""
        return str(self.data["id"])

    @property
    def kind(self) -> str:
        """What happened."""
        return str(self.data["kind"])

    @property
    def path(self) -> str:
        """To what."""
        return str(self.data["path"])

    @property
    def pv(self) -> str:
        """Name of the PV, if it is about an alarm."""
        return self.path.rpartition("/")[2]

    @property
    def pv_time(self) -> int:
        """Time stamp of the PV, 0 if there is none."""
        return int(self.data.get("pv_time") or 0)

    @property
    def state(self) -> dict[str, Any]:
        """Complete new state of the alarm; empty for events that are not about one."""
        found: dict[str, Any] = self.data.get("state") or {}
        return found

    @property
    def current(self) -> tuple[str, str, str, int]:
        """Severity, message, value and time of what the PV said."""
        severity, message, value, time = self.state["current"]
        return severity, message, value, time

    @property
    def connected(self) -> bool:
        """The PV was there, and had said something since it was: what its delay raises meanwhile is of before."""
        return bool(self.state.get("connected", True)) and self.state.get("current", ("", ""))[1] != "Disconnected"

    def __str__(self) -> str:
        data = self.data
        more = f" pv_time {self.pv_time}" if self.pv_time else ""
        who = f" by {data['user']}" if "user" in data else ""
        return f"{self.id} at {data['time']} {self.kind} {self.path} {data['from']} -> {data['to']}{who}{more} ({data.get('reason', '')})"


@dataclass(frozen=True)
class State(Fields):
    """A state record of an alarm."""

    @cached_property
    def event(self) -> str:
        """The event that it comes from."""
        return str(orjson.loads(self.seen.headers["tocsin-state"])[0] or "")

    @property
    def version(self) -> tuple[int, int]:
        """Reign and number of that event."""
        _, epoch, number = self.event.rsplit(".", 2)
        return int(epoch), int(number)

    @property
    def path(self) -> str:
        """Of which alarm."""
        return self.seen.key.removeprefix("state:")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the backend's stream."""

    kind: str
    id: str
    data: Mapping[str, Any]
    at: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """What an alarm of the tree was told."""

    path: str
    latching: bool = True
    delay_s: int = 0


@dataclass(frozen=True)
class Evidence:
    """Everything about one site."""

    config: str
    leaves: Mapping[str, Leaf]
    """By PV."""
    truth: Sequence[Transition]
    committed: Sequence[Seen]
    """In the order of each topic."""
    uncommitted: Sequence[Seen] = ()
    """The same and what was aborted."""
    sent: Sequence[Sent] = ()
    blind: Sequence[Blind] = ()
    stream: Sequence[Message] = ()
    calm: bool = True
    """Nothing was under way any more when the observer stopped: states must be the truth."""

    def topic(self, suffix: str) -> list[Seen]:
        """Committed records of the topic of the configuration with this suffix."""
        return [seen for seen in self.committed if seen.topic == self.config + suffix]

    @cached_property
    def events(self) -> list[Line]:
        """All events, in the order in which they were committed; what mends a partition has no value and is none."""
        return [Line(seen) for seen in self.topic("Events") if seen.value]

    @cached_property
    def states(self) -> list[State]:
        """State records of alarms that come from an event, in the order in which they were committed."""
        found = (State(seen) for seen in self.topic("") if "tocsin-state" in seen.headers and seen.value is not None)
        return [state for state in found if state.event]

    @cached_property
    def events_of(self) -> dict[str, list[Line]]:
        """Events about one alarm, by path."""
        found: dict[str, list[Line]] = {}
        for event in self.events:
            if event.state:
                found.setdefault(event.path, []).append(event)
        return found

    def is_blind(self, pv: str, time: int) -> bool:
        """Nobody could see this PV then."""
        return any(pv in blind.pvs and blind.begin <= time <= blind.end for blind in self.blind)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, with what shows it."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"
