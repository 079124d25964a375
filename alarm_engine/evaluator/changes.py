"""What an evaluator decided in one round, in the order in which it is to be published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from alarm_engine.logic.talk import Talk
from alarm_engine.model.event import Event
from alarm_engine.model.settings import Settings
from alarm_engine.model.severity import Severity
from alarm_engine.model.state import Alarm, Sample
from alarm_engine.wire.revision import Revision
from alarm_engine.wire.runtime import RootRuntime, Runtime
from alarm_engine.wire.state import Modes, StateExtras


class LeafChange(NamedTuple):
    """A new state of an alarm."""

    path: str
    alarm: Alarm
    current: Sample
    extras: StateExtras
    event: Event | None
    """None where Phoebus publishes a state that nothing happened to (acknowledging what is not in alarm)."""


class Removal(NamedTuple):
    """An alarm left the tree: its state goes too."""

    path: str
    event: Event | None
    """None: it was never there for those who read only what is committed."""


class NodeChange(NamedTuple):
    """A component has another severity."""

    path: str
    severity: Severity


class ConfigWrite(NamedTuple):
    """A configuration record that the engine itself writes: shelving and its end, and what a revision that never closed had changed."""

    path: str
    settings: Settings | None
    """None: the record is deleted."""
    user: str
    host: str


@dataclass(slots=True)
class Changes:
    """All effects of one round; published together or not at all."""

    modes: Modes
    steps: list[LeafChange | Removal | Event] = field(default_factory=list)
    """In order. A bare event is about something that has no state record of its own, or whose record did not change."""
    nodes: list[NodeChange] = field(default_factory=list)
    """Components from the bottom up, each once."""
    runtimes: dict[str, Runtime | None] = field(default_factory=dict)
    """Last value per alarm; None removes the record."""
    root: RootRuntime | None = None
    """What a restart needs of the whole configuration, if that changed."""
    configs: list[ConfigWrite] = field(default_factory=list)
    discarded: Revision | None = None
    """A revision that never closed, and of which nothing is left in the configuration now."""
    talks: list[Talk] = field(default_factory=list)
    subscribe: set[str] = field(default_factory=set)
    """PVs that are watched from now on."""
    unsubscribe: set[str] = field(default_factory=set)
    """PVs that are watched no more; to be ended before `subscribe`, which may have the same PV."""

    @property
    def is_empty(self) -> bool:
        """Nothing to publish."""
        return not (self.steps or self.nodes or self.runtimes or self.root or self.configs or self.talks or self.discarded)

    @property
    def has_states(self) -> bool:
        """A state record is among them."""
        return bool(self.nodes) or any(isinstance(step, LeafChange) for step in self.steps)

    @property
    def events(self) -> list[Event]:
        """The events among the steps, in order."""
        return [event for step in self.steps if (event := step if isinstance(step, Event) else step.event) is not None]
