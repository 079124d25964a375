"""Life sign of an engine."""

from __future__ import annotations

from dataclasses import dataclass

from alarm_engine.model.times import Nanos


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What an engine says each second on `<cell>Status`."""

    engine: str
    """Name of the engine: host and process id."""
    config: str
    epoch: int
    time: Nanos
    pvs_total: int
    pvs_connected: int
    source_age_ms: int
    """Since the source was last drained."""
    timer_age_ms: int
    """Since the timer wheel last ticked."""
    evaluator_age_ms: int
    """Since the evaluator last finished a round."""
    backlog: int
    """Inputs received and not yet covered by a committed event."""
    dropped: int
    """Inputs merged since the start because the backlog was at its bound."""
    last_event: str
    """Id of the newest committed event, `""` before the first."""
    lag_ms: int = 0
    """Since the oldest input came that no committed event covers; 0 if nothing waits."""
    candidate: bool = True
    """Of an engine that stands by: it takes part in the election, and has kept whatever nobody may have decided."""
    foreign: str = ""
    """That somebody else writes states of the configuration too, in words; `""` while nobody does."""
