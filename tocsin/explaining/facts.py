"""What has to be known to explain something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin.client.types import Alarm, AlarmDetail, Event, Node, Repeated


@dataclass(frozen=True, slots=True)
class Past:
    """What the history tells of one alarm."""

    events: tuple[Event, ...] = ()
    """Newest first, of the last week."""
    rises_day: int = 0
    """How often it rose in the last 24 hours."""
    rises_week: int = 0
    chattering: Repeated | None = None
    """It was annunciated three times within a minute, in the last week: how often, when first and last."""
    fleeting: Repeated | None = None
    """It was over within seconds: the same."""
    problem: str = ""
    """Why the history can not be asked; the rest is empty then."""


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """Where the settings of an alarm come from."""

    place: str = ""
    """`FILE:LINE`, where the files are at hand."""
    commit: str = ""
    """Of the files that are in force; empty where they are of none."""
    edited: tuple[str, ...] = ()
    """Fields that another client than the sync has edited since."""


@dataclass(frozen=True, slots=True)
class AlarmFacts:
    """One alarm."""

    alarm: AlarmDetail
    maintenance: bool = False
    """Maintenance mode is on in its configuration."""
    past: Past = field(default_factory=Past)
    source: SettingsSource = field(default_factory=SettingsSource)


@dataclass(frozen=True, slots=True)
class ComponentFacts:
    """A component with the alarms below it that stand or are hidden."""

    node: Node
    """With the components directly below."""
    standing: tuple[Alarm, ...]
    """Active and acknowledged, worst first."""
    hidden: tuple[Alarm, ...]
    """Shelved and out of service."""
    unknown: tuple[Alarm, ...]
    """Of which nothing is known."""
    stale: bool
    age_s: float | None
    """Seconds since the engine's last life sign; None: there never was one."""
    maintenance: bool = False
    guidance: Mapping[str, str] = field(default_factory=dict)
    """Of the worst alarms, by path: the nearest guidance in a line."""
