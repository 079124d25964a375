"""What an alarm's doings come to, in the terms of the figures (`backend.kpi.definitions`)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alarm_engine.model.event import Event
from alarm_engine.model.severity import Severity
from alarm_engine.model.times import Nanos
from backend.kpi.following import Follower
from backend.kpi.open_period import OpenPeriod
from backend.tuning.recording import Excursion
from backend.tuning.replay import Played


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one alarm over one range."""

    annunciated: int
    """How often it was put before the operator, lost connections included."""
    spoken: int
    """How many of them were spoken."""
    chattering: int
    """Annunciations that were the third or a further one within 60 s."""
    fleeting: int
    """Annunciations whose PV was OK again within 15 s."""
    standing_ns: int
    """How long it was not OK, acknowledged or not."""
    shown: tuple[Nanos | None, ...]
    """For each excursion when an alarm as high as it stood first, at its begin if one stood already; None: none did."""

    @property
    def nuisances(self) -> int:
        """Annunciations that helped nobody."""
        return self.chattering + self.fleeting


def outcome(played: Played, excursions: Sequence[Excursion]) -> Outcome:
    """Count what an alarm did, and look for each excursion of its PV whether it told of it."""
    annunciated, chattering, fleeting = annunciations(played.start, played.events)
    line = [(played.start, played.begins), *((event.time, event.to_severity) for event in played.events), (played.end, Severity.OK)]
    times = [time for time, _ in line]
    return Outcome(
        annunciated=annunciated,
        spoken=sum(event.annunciated for event in played.events),
        chattering=chattering,
        fleeting=fleeting,
        standing_ns=sum(later - time for (time, severity), (later, _) in pairwise(line) if severity is not Severity.OK),
        shown=tuple(_shown(excursion, line, times) for excursion in excursions),
    )


def annunciations(start: Nanos, events: Sequence[Event]) -> tuple[int, int, int]:
    """How many there were, how many of them chattered, and how many were fleeting; counted as the figures do."""
    follower, period = Follower(), OpenPeriod(start)
    for event in events:
        follower.take(event, event.time, period)
    return sum(period.rises.values()), _marked(period.chattering), _marked(period.fleeting)


def _marked(marks: dict[int, tuple[int, Nanos, Nanos]]) -> int:
    return sum(number for number, _, _ in marks.values())


def _shown(excursion: Excursion, line: Sequence[tuple[Nanos, Severity]], times: Sequence[Nanos]) -> Nanos | None:
    """It begins with an event, after which also what is latched from before stands. With its last moment the alarm may still come."""
    for time, severity in line[bisect_left(times, excursion.start) : -1]:
        if time > excursion.end:
            break
        if severity.unacknowledged >= excursion.severity:
            return time
    return None
