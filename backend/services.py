"""What the routers are given: everything is built elsewhere and handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from alarm_engine.clock import Clock
from alarm_engine.journal.port import Journal
from backend.guidance import Guidance
from backend.history.port import History
from backend.kpi.targets import LIMITS, Limits
from backend.live import Live
from backend.security import Security
from backend.suggesting import Suggestions


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Values that a site sets."""

    commands: bool = True
    """Accept commands at all."""
    command_timeout_s: float = 5.0
    """How long an answer of the engine is waited for."""
    max_streams: int = 500
    """Clients that follow events at the same time."""
    limits: Limits = LIMITS
    """What figures of alarm performance are judged by."""
    slow_client_s: float = 10.0
    """A client that takes nothing for that long is disconnected."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the backend is joined to. None of it is started or closed by the application."""

    live: Live
    history: History
    journal: Journal
    """For commands only."""
    security: Security
    clock: Clock
    guidance: Guidance = field(default_factory=Guidance)
    settings: BackendSettings = BackendSettings()
    suggestions: Suggestions = field(default_factory=Suggestions)
    """Proposals for dashboards, kept from one question to the next."""
    also_missing: Callable[[], Mapping[str, str]] = dict
    """What other parts of this process lack, with the reasons."""
