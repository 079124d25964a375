"""What has to be known of a recording once its events are let go: a component may have millions."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.model.event import Event, Origin
from alarm_engine.model.times import Nanos
from backend.tuning.outcome import annunciations
from backend.tuning.recording import Recording


@dataclass(frozen=True, slots=True)
class Recorded:
    """See `Recording`."""

    path: str
    start: Nanos
    end: Nanos
    known_from: Nanos
    is_cut: bool
    last_edit: Event | None
    breaks: int
    is_of_engine: bool
    """All of it was told by an engine, nothing derived from the records of a Phoebus server."""
    annunciated: int
    """How often the alarm was in truth annunciated."""


def recorded(recording: Recording) -> Recorded:
    """Of a recording."""
    return Recorded(
        recording.path,
        recording.start,
        recording.end,
        recording.known_from,
        recording.is_cut,
        last_edit=recording.edited[-1] if recording.edited else None,
        breaks=recording.breaks,
        is_of_engine=all(event.origin is Origin.ENGINE for event in recording.own),
        annunciated=annunciations(recording.start, tuple(recording.own))[0],
    )
